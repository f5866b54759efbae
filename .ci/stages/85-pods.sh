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
check "the image" env DENO="$(command -v deno)" scripts/image.sh --variant nonroot --tag "$COPILOT_TEST_POD_IMAGE"
run=(podman run --rm --network none --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges)
check "it runs as another user, without a writable directory or a capability" \
  "${run[@]}" --user 65532:65532 "$COPILOT_TEST_POD_IMAGE" version

check "the images that the Dockerfile is built on" bash -c "scripts/base_images.sh >$state/bases"
. "$state/bases"
git clone -q . "$state/clone"
# The network of the machine, and no isolation by namespaces: a package mirror may be reachable from nowhere else.
build=(podman build --pull=never --network host --isolation chroot --build-arg RUN_AS=65532:65532 -q)
export COPILOT_TEST_SCRATCH_IMAGE=localhost/copilot-dockerfile COPILOT_TEST_DISTROLESS_IMAGE=localhost/copilot-dockerfile-distroless
check "the Dockerfile, FROM scratch, from a clean clone" "${build[@]}" -t "$COPILOT_TEST_SCRATCH_IMAGE" "$state/clone"
check "the Dockerfile on distroless" "${build[@]}" -t "$COPILOT_TEST_DISTROLESS_IMAGE" \
  --build-arg VARIANT=distroless --build-arg "BASE=$COPILOT_TEST_DISTROLESS" "$state/clone"

echo "waiting for the API server's installation"
while [ ! -e "$COPILOT_CI_STATE/kube-installed" ]; do sleep 1; done
check "the API server is installed" grep -qx 0 "$COPILOT_CI_STATE/kube-installed"
scripts/servers.sh install s3
scripts/servers.sh start "$state" s3 >>"$state/env"
scripts/kube_api_server.sh start "$state/kube" >>"$state/env"
. "$state/env"
deno_test --no-skips deno test -A tests/watch/watchers/kube/server_test.ts tests/pods/
deno run -A tests/pods/figures.ts "$([ -n "${COPILOT_TEST_POD_RUNS:-}" ] && echo 100 || echo 10)"
done_counting
