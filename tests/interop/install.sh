#!/bin/sh
# Installs from Debian what the tests marked `heavy` talk to; needs root. The
# tests start what they need themselves, on ports of their own.
set -eu

packages="
  chromium
  default-jdk-headless
  g++
  golang-go
  golang-github-gorilla-websocket-dev
  haproxy
  libboost-dev
  libssl-dev
  libtomcat10-java
  nginx-light
"

if ! command -v apt-get >/dev/null; then
  echo "There is no apt-get here: tests that need more than is here are skipped." >&2
  exit 0
fi
missing=
for package in $packages; do
  # shellcheck disable=SC2016
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "Not root: tests that need these are skipped:$missing" >&2
  exit 0
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
