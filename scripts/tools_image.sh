#!/usr/bin/env bash
# Writes an image of a shell and its tools, for the main containers of the tests' pods.
#
#   scripts/tools_image.sh ARCHIVE NAME [ROOTFS]       needs busybox-static
#
# ROOTFS: a directory (scripts/rootfs.sh) whose files are in the image too: a task's image that has copilot in it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

archive=$1 name=$2 rootfs=${3:-}
apt_install busybox-static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -z "$rootfs" ] || cp -a "$rootfs/." "$work/"
mkdir -p "$work/bin" "$work/etc" "$work/tmp"
chmod 1777 "$work/tmp"
cp /bin/busybox "$work/bin/"
for applet in $(busybox --list); do
  [ "$applet" = busybox ] || ln -s busybox "$work/bin/$applet"
done
printf 'root:x:0:0::/:/bin/sh\nother:x:1000:1000::/tmp:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/sh\n' >"$work/etc/passwd"
"$(deno_path)" run -A "$here/image_archive.ts" --rootfs "$work" --output "$archive" --tag "$name" >/dev/null
