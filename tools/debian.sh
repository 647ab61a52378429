#!/bin/sh
# Installs Debian packages by name: debian.sh PACKAGE... Where that cannot be done it
# says so, and succeeds: whoever needs them is skipped, with the reason.
set -eu
missing=
for package in "$@"; do
  # shellcheck disable=SC2016
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "    There is no apt-get here. What needs these is skipped:$missing"
elif [ "$(id -u)" -ne 0 ]; then
  echo "    Only root can install. What needs these is skipped:$missing"
else
  echo "==> Installing$missing"
  exec 9<"$0" && flock 9 # one at a time
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { apt-get update && apt-get install -y --no-install-recommends \
      -o DPkg::Lock::Timeout=300 $missing; } >"$log" 2>&1; then
    tail -5 "$log"
    echo "    That failed. What needs these is skipped:$missing"
  fi
  rm "$log"
fi
