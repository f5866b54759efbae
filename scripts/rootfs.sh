#!/usr/bin/env bash
# Lays out the files of the image: what a program made by `deno compile` needs to start, what it is made of, and nothing else.
#
#   scripts/rootfs.sh BINARY DIR [--variant scratch|distroless] [--sysroot DIR]
#
# scratch: the executable under both of its names, the C library, CA certificates, /tmp, a user that is not root.
# distroless: the executable only, for a base that has the rest. --sysroot: where the libraries are taken from; it has the version of
# each package in DIR/versions. Both have /usr/share/doc/copilot: licenses and the bill of materials.
set -euo pipefail
umask 022
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

binary=$1 root=$2
shift 2
variant=scratch sysroot=
while [ $# -gt 0 ]; do
  case $1 in
    --variant) variant=$2 ;;
    --sysroot) sysroot=$2 ;;
    *)
      echo "rootfs: unknown option $1: expected --variant or --sysroot" >&2
      exit 1
      ;;
  esac
  shift 2
done

case $(od -An -tu1 -j18 -N1 "$binary" | tr -d ' ') in
  62) triplet=x86_64-linux-gnu loader=lib64/ld-linux-x86-64.so.2 architecture=amd64 ;;
  183) triplet=aarch64-linux-gnu loader=lib/ld-linux-aarch64.so.1 architecture=arm64 ;;
  *)
    echo "rootfs: $binary is neither an x86-64 nor an aarch64 program" >&2
    exit 1
    ;;
esac

# debian PACKAGE SYSROOT: as the bill of materials takes it.
debian() {
  local version
  if [ -n "$2" ]; then version=$(cat "$2/versions/$1"); else version=$(dpkg-query -W -f='${Version}' "$1"); fi
  # A package has one license on every architecture.
  echo "$1,$version,$architecture,/usr/share/doc/$1/copyright"
}

bill() {
  local package options=()
  for package in "$@"; do options+=(--debian "$package"); done
  "$(deno_path)" run -A "$here/bill_of_materials.ts" --output "$root/usr/share/doc/copilot" "${options[@]}"
}

mkdir -p "$root/bin"
install -m 755 "$binary" "$root/bin/copilot"
# The name that Flyte's plugin writes into a pod.
ln -sf copilot "$root/bin/flyte-copilot"
if [ "$variant" = distroless ]; then
  bill
  exit
fi

mkdir -p "$root/$(dirname "$loader")" "$root/lib/$triplet" "$root/etc/ssl/certs"
for name in "$loader" "lib/$triplet/"{libc.so.6,libm.so.6,libgcc_s.so.1,libdl.so.2,libpthread.so.0,librt.so.1}; do
  # A package holds the files of a merged /usr under either path.
  found=$sysroot/$name
  [ -e "$found" ] || found=$sysroot/usr/$name
  [ -e "$found" ] || found=$sysroot/usr/lib/${name##*/}
  [ -e "$found" ] || found=$sysroot/usr/lib/$triplet/${name##*/}
  cp -L "$found" "$root/$name"
  chmod 755 "$root/$name"
done
# Mozilla's, and not this machine's bundle: a private CA that it trusts is nobody else's.
cat /usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
mkdir -m 1777 "$root/tmp"
printf 'root:x:0:0::/:\nnonroot:x:65532:65532::/tmp:\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
bill "$(debian libc6 "$sysroot")" "$(debian libgcc-s1 "$sysroot")" "$(debian ca-certificates "")"
