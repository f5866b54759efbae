#!/usr/bin/env bash
# Builds the image FROM scratch on this machine: no base image and no registry are needed.
#
#   deno task image [--target TRIPLE] [--tag NAME]      with buildah, podman or docker, whichever is found first
set -euo pipefail
cd "$(dirname "$0")/.."

target="$(uname -m)-unknown-linux-gnu" tag=localhost/copilot
while [ $# -gt 0 ]; do
  case $1 in
    --target) target=$2 ;;
    --tag) tag=$2 ;;
    *)
      echo "image: unknown option $1: expected --target or --tag" >&2
      exit 1
      ;;
  esac
  shift 2
done
case $target in
  x86_64-*) architecture=amd64 ;;
  aarch64-*) architecture=arm64 ;;
  *)
    echo "image: no target $target: expected x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu" >&2
    exit 1
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The C library of another architecture, from the distribution's packages; this machine's own settings stay as they are.
foreign_libraries() {
  local state="$work/apt" options
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$work/sysroot"
  touch "$state/status"
  options=(-qq -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o "Dir::State=$state"
    -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache")
  apt-get "${options[@]}" update
  (cd "$work/apt" && apt-get "${options[@]}" download libc6 libgcc-s1)
  for package in "$work"/apt/*.deb; do dpkg-deb -x "$package" "$work/sysroot"; done
}

"${DENO:-deno}" task compile --target "$target" --output "$work/copilot"
sysroot=
if [ "${target%%-*}" != "$(uname -m)" ]; then
  foreign_libraries
  sysroot=$work/sysroot
fi
mkdir "$work/image"
scripts/rootfs.sh "$work/copilot" "$work/image/rootfs" --sysroot "$sysroot"
# The Dockerfile's last stage, with the root file system from here.
{
  echo "FROM scratch"
  sed -n '/^FROM \${BASE}/,$p' Dockerfile | sed -e 1d -e 's#^COPY --from=build /rootfs/ /#COPY rootfs/ /#'
} >"$work/image/Dockerfile"

if command -v buildah >/dev/null; then
  buildah bud --isolation chroot --arch "$architecture" -q -t "$tag" "$work/image"
elif command -v podman >/dev/null; then
  podman build --isolation chroot --arch "$architecture" -q -t "$tag" "$work/image"
elif command -v docker >/dev/null; then
  docker build --platform "linux/$architecture" -q -t "$tag" "$work/image"
else
  echo "image: found none of buildah, podman, docker" >&2
  exit 1
fi
echo "$tag: $(($(du -sb "$work/image/rootfs" | cut -f1) / 1000000)) MB, linux/$architecture"
