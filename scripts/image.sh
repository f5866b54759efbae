#!/usr/bin/env bash
# Builds the image on this machine: no base image, no registry and no build tool are needed. The same commit gives the same digest.
#
#   deno task image [--variant root|nonroot] [--target TRIPLE] [--tag NAME] [--output FILE]
#
# root (the default) runs as root, as the original's image does, so that it reads whatever main has written; nonroot runs as 65532,
# for namespaces that admit nothing else. COPILOT_SOURCE_URL names where the sources are, for the label. With --output the archive is all; without, it is loaded into the first of podman, buildah
# and docker that is found.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
DENO=$(deno_path)
export DENO

target="$(uname -m)-unknown-linux-gnu" variant=root tag=localhost/copilot:latest output=
die() {
  echo "image: $*" >&2
  exit 1
}
while [ $# -gt 0 ]; do
  case $1 in
    --target) target=$2 ;;
    --variant) variant=$2 ;;
    --tag) tag=$2 ;;
    --output) output=$2 ;;
    *) die "unknown option $1: expected --variant, --target, --tag or --output" ;;
  esac
  shift 2
done
case $target in
  x86_64-*) architecture=amd64 ;;
  aarch64-*) architecture=arm64 ;;
  *) die "no target $target: expected x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu" ;;
esac
case $variant in
  root) user= ;;
  nonroot) user=65532:65532 ;;
  *) die "no variant $variant: expected root or nonroot" ;;
esac
# As docker reads a name without a tag.
[[ ${tag##*/} == *:* ]] || tag=$tag:latest

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
  mkdir "$work/sysroot/versions"
  for package in "$work"/apt/*.deb; do
    dpkg-deb -x "$package" "$work/sysroot"
    dpkg-deb -f "$package" Version >"$work/sysroot/versions/$(dpkg-deb -f "$package" Package)"
  done
}

# label NAME VALUE
labels=()
label() {
  labels+=(--label "org.opencontainers.image.$1=$2")
}

"$DENO" task compile --target "$target" --output "$work/copilot"
sysroot=
if [ "${target%%-*}" != "$(uname -m)" ]; then
  foreign_libraries
  sysroot=$work/sysroot
fi
scripts/rootfs.sh "$work/copilot" "$work/rootfs" --sysroot "$sysroot"
label title copilot
label description "Flyte CoPilot: moves a task's data between object storage and its container"
label licenses Apache-2.0
label version "$(sed -n 's/^ *"version": "\(.*\)",$/\1/p' deno.json)"
created=0
if revision=$(git rev-parse HEAD 2>/dev/null); then
  created=$(git log -1 --format=%ct)
  label revision "$revision"
  label created "$(date -u -d "@$created" +%Y-%m-%dT%H:%M:%SZ)"
fi
[ -z "${COPILOT_SOURCE_URL:-}" ] || label source "$COPILOT_SOURCE_URL"
archive=${output:-$work/image.tar}
# The Dockerfile's last stage says the same.
digest=$("$DENO" run -A scripts/image_archive.ts --rootfs "$work/rootfs" --output "$archive" --tag "$tag" \
  --architecture "$architecture" --user "$user" --entrypoint /bin/copilot --created "$created" "${labels[@]}" \
  --env PATH=/bin --env HOME=/tmp --env DENO_TLS_CA_STORE=system,mozilla)

if [ -z "$output" ]; then
  if command -v podman >/dev/null; then
    podman load -q -i "$archive" >&2
  elif command -v buildah >/dev/null; then
    buildah pull -q "docker-archive:$archive" >&2
  elif docker version >/dev/null 2>&1; then
    docker load -q -i "$archive" >&2
  else
    die "found none of podman, buildah and a docker that answers: expected --output FILE"
  fi
fi
megabytes() { echo "$(($(du -sb "$1" | cut -f1) / 1000000)) MB"; }
echo "$tag: $(megabytes "$work/rootfs"), $(megabytes "$archive") compressed, linux/$architecture, $digest"
