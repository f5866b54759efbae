#!/usr/bin/env bash
# Lays out the files of the image: what a program made by `deno compile` needs to start, and nothing else.
#
#   scripts/rootfs.sh BINARY DIR [--variant scratch|distroless] [--sysroot DIR]
#
# scratch: the executable under both of its names, the C library, CA certificates, /tmp, a user that is not root.
# distroless: the executable only, for a base that has the rest. --sysroot: where the libraries are taken from.
set -euo pipefail
umask 022

binary=$1 root=$2
shift 2
variant=scratch sysroot=
while [ $# -gt 0 ]; do
  case $1 in
    --variant) variant=$2 ;;
    --sysroot) sysroot=$2 ;;
    *)
      echo "rootfs: unknown option $1" >&2
      exit 1
      ;;
  esac
  shift 2
done

mkdir -p "$root/bin"
install -m 755 "$binary" "$root/bin/copilot"
# The name that Flyte's plugin writes into a pod.
ln -sf copilot "$root/bin/flyte-copilot"
[ "$variant" = scratch ] || exit 0

case $(od -An -tu1 -j18 -N1 "$binary" | tr -d ' ') in
  62) triplet=x86_64-linux-gnu loader=lib64/ld-linux-x86-64.so.2 ;;
  183) triplet=aarch64-linux-gnu loader=lib/ld-linux-aarch64.so.1 ;;
  *)
    echo "rootfs: $binary is neither an x86-64 nor an aarch64 program" >&2
    exit 1
    ;;
esac
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
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir -m 1777 "$root/tmp"
printf 'root:x:0:0::/:\nnonroot:x:65532:65532::/tmp:\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
