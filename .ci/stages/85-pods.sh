# Real pods, with podman: every watcher, every example, every bad end; a real API server; figures of a waiting sidecar. As root, and
# without a registry.
. .ci/lib.sh
state="$COPILOT_CI_STATE/pods"
finish() {
  scripts/servers.sh stop "$state"
  [ ! -d "$state/kube" ] || scripts/kube_api_server.sh stop "$state/kube"
}
trap finish EXIT
mkdir -p "$state"

check "podman runs containers here" bash -c "scripts/pods_setup.sh >$state/env"
export COPILOT_TEST_POD_IMAGE=localhost/copilot-pods
check "the image" env DENO="$(command -v deno)" scripts/image.sh --tag "$COPILOT_TEST_POD_IMAGE"
run=(podman run --rm --network none --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges)
check "it runs as another user, without a writable directory or a capability" \
  "${run[@]}" --user 65532:65532 "$COPILOT_TEST_POD_IMAGE" version

echo "waiting for the API server's installation"
while [ ! -e "$COPILOT_CI_STATE/kube-installed" ]; do sleep 1; done
check "the API server is installed" grep -qx 0 "$COPILOT_CI_STATE/kube-installed"
scripts/servers.sh install s3
scripts/servers.sh start "$state" s3 >>"$state/env"
scripts/kube_api_server.sh start "$state/kube" >>"$state/env"
. "$state/env"
deno_test --no-skips deno test -A tests/kube_test.ts tests/pods/
deno run -A tests/pods/figures.ts "$([ -n "${COPILOT_TEST_POD_RUNS:-}" ] && echo 100 || echo 10)"
done_counting
