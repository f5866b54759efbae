#!/usr/bin/env bash
# Lets this machine run pods for the tests: podman as root, a tools image, no registry. What is done already is left as it is.
#
#   scripts/pods_setup.sh            needs Debian's apt and root
#
# It ends with shell assignments: eval "$(scripts/pods_setup.sh)"
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

TOOLS=localhost/copilot-pod-tools

die() {
  echo "pods_setup: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || die "expected root: without a user session podman cannot set up rootless pods"

apt_install podman buildah runc conmon catatonit busybox-static ca-certificates

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

if ! podman image exists "$TOOLS"; then
  archive=$(mktemp)
  trap 'rm -f "$archive"' EXIT
  "$here/tools_image.sh" "$archive" "$TOOLS:latest"
  podman load -q -i "$archive" >&2
fi
echo "export COPILOT_TEST_POD_TOOLS=$TOOLS"
