#!/bin/sh
# Installs what the Js engine is tested with, into the folder given: Pyodide, Node's
# ws and playwright-core from npm; Chromium from Debian's packages where root may.
set -eu
folder=$1

if ! command -v npm >/dev/null; then
  echo '==> There is no npm, hence no Pyodide' >&2
  exit 1
fi
echo '==> Installing the npm packages pyodide, ws and playwright-core'
mkdir -p "$folder"
npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error \
  pyodide ws playwright-core

if [ ! -x /usr/bin/chromium ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo '==> Installing the Debian package chromium'
  log=$folder/apt.log
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
         apt-get install -y -qq --no-install-recommends chromium; } >"$log" 2>&1; then
    cat "$log"
    echo '    failed: the tests in Chromium are skipped'
  fi
fi
