#!/bin/sh
# Installs what the Js engine is tested with: Pyodide, Node's ws and playwright-core
# from npm into the folder given; Chromium, and Node where there is none, from Debian.
set -eu
folder=$1

by_apt() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  echo "==> Installing the Debian packages $*"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@"; } >"$folder/apt.log" 2>&1 \
    || { cat "$folder/apt.log"; return 1; }
}

mkdir -p "$folder"
if ! command -v npm >/dev/null && ! by_apt nodejs npm; then
  echo '==> There is no npm: the tests with Pyodide are skipped'
  exit 0
fi
echo '==> Installing the npm packages pyodide, ws and playwright-core'
npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error \
  pyodide ws playwright-core
if [ ! -x /usr/bin/chromium ] && ! by_apt chromium; then
  echo '==> There is no Chromium: the tests in it are skipped'
fi
