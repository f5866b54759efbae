#!/usr/bin/env bash
# Lets this machine run pods for the tests: podman as root, a tools image, no registry. What is done already is left as it is.
#
#   scripts/pods_setup.sh            needs Debian's apt and root
#
# It ends with shell assignments: eval "$(scripts/pods_setup.sh)"
set -euo pipefail

TOOLS=localhost/copilot-pod-tools

die() {
  echo "pods_setup: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || die "expected root: without a user session podman cannot set up rootless pods"

packages=(podman buildah runc conmon catatonit busybox-static ca-certificates)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 || {
    # The package lists may be old, or not there at all.
    "${apt[@]}" update >&2
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2
  }
fi

# runc, since crun refuses a machine with cgroups of both versions. The limits, since podman's own are above what a root without
# CAP_SYS_RESOURCE may ask for. Somebody else's settings stay, and win where they say the same.
settings=/etc/containers/containers.conf
if ! { grep -qs '^ *runtime *= *"runc"' "$settings" && grep -qs '^ *default_ulimits *=' "$settings"; }; then
  mkdir -p "$settings.d"
  printf '%s\n' '[containers]' 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]' \
    '[engine]' 'runtime = "runc"' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"' >"$settings.d/80-copilot-tests.conf"
fi
runtime=$(podman info --format '{{.Host.OCIRuntime.Name}}') || die "podman does not answer"
[ "$runtime" = runc ] || die "podman runs containers with $runtime, expected runc"

# A shell and its tools, for main and for init containers.
if ! podman image exists "$TOOLS"; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/rootfs/bin" "$work/rootfs/etc"
  mkdir -m 1777 "$work/rootfs/tmp"
  cp /bin/busybox "$work/rootfs/bin/"
  for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/rootfs/bin/$applet"
  done
  printf 'root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/sh\n' >"$work/rootfs/etc/passwd"
  printf 'FROM scratch\nCOPY rootfs/ /\nENV PATH=/bin\n' >"$work/Dockerfile"
  buildah bud --isolation chroot -q -t "$TOOLS" "$work" >&2
fi
echo "export COPILOT_TEST_POD_TOOLS=$TOOLS"
