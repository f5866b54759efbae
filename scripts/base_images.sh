#!/usr/bin/env bash
# Makes the images that the Dockerfile is built on, where no image registry can be reached, from Debian's packages and npm's Deno:
# the one that its first stage names, and one like distroless/cc. For the tests of the Dockerfile.
#
#   scripts/base_images.sh            needs Debian's apt, npm, podman and root; does nothing where they are there
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=bookworm
DISTROLESS=localhost/distroless-cc:latest
# As podman and docker read a name without a host.
build=$(sed -n 's/^FROM \(.*\) AS build$/docker.io\/\1/p' Dockerfile)
deno=${build##*debian-}

[ "$(id -u)" = 0 ] || {
  echo "base_images: expected root: debootstrap makes devices and mounts" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
# Lists of packages that are gone from the mirror name files that cannot be fetched.
podman image exists "$build" && podman image exists "$DISTROLESS" || "${apt[@]}" update >&2

# This machine's certificates, as a private CA may stand between the build and the package registries.
certificates() {
  mkdir -p "$1/etc/ssl/certs" "$1/usr/local/share/ca-certificates"
  install -m 644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
  cp -L /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || true
}

if ! podman image exists "$build"; then
  command -v debootstrap >/dev/null || "${apt[@]}" install -y --no-install-recommends debootstrap >&2
  debootstrap --variant=minbase "$SUITE" "$work/build" >"$work/log" || {
    tail "$work/log" >&2
    exit 1
  }
  npm install --silent --no-save --prefix "$work/npm" "deno@$deno" >&2
  install -m 755 "$work"/npm/node_modules/@deno/linux-*-glibc/deno "$work/build/usr/bin/deno"
  certificates "$work/build"
  tar -C "$work/build" --exclude=./dev --exclude=./proc --exclude=./sys -c . |
    podman import -q --change 'ENV DENO_DIR=/deno-dir/' - "$build" >&2
fi

if ! podman image exists "$DISTROLESS"; then
  mkdir "$work/packages" "$work/distroless"
  chmod 777 "$work" "$work/packages"
  (cd "$work/packages" && "${apt[@]}" download base-files libc6 libgcc-s1 libstdc++6 tzdata)
  for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$work/distroless"; done
  certificates "$work/distroless"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' \
    >"$work/distroless/etc/passwd"
  printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/distroless/etc/group"
  tar -C "$work/distroless" -c . | podman import -q - "$DISTROLESS" >&2
fi
echo "export COPILOT_TEST_DISTROLESS=$DISTROLESS"
