# A real kubelet: the pods that Flyte's own plugin writes, the examples as they are, and pods that end badly. As root, and without a
# registry.
. .ci/lib.sh
state="$COPILOT_CI_STATE/cluster"
node="$state/node"
mkdir -p "$node" "$state/s3"
finish() {
  [ ! -e "$node/cgroup" ] || scripts/kube_node.sh stop "$node"
}
trap finish EXIT

export DENO
DENO=$(command -v deno)
check "the image" scripts/image.sh --tag localhost/copilot:test --output "$state/root.tar"
check "the image for restricted namespaces" \
  scripts/image.sh --variant nonroot --tag localhost/copilot:test-nonroot --output "$state/nonroot.tar"
check "an image for main" scripts/tools_image.sh "$state/tools.tar" localhost/tools:test
check "the files of the image" bash -c "deno task compile --output $state/copilot && scripts/rootfs.sh $state/copilot $state/rootfs"
check "an image for a main that has copilot as its entrypoint" \
  scripts/tools_image.sh "$state/task.tar" localhost/task:test "$state/rootfs"
echo "waiting for the node's installation"
while [ ! -e "$COPILOT_CI_STATE/kube-installed" ]; do sleep 1; done
check "the node is installed" grep -qx 0 "$COPILOT_CI_STATE/kube-installed"
check "the node is ready" bash -c "scripts/kube_node.sh start $node >$state/env"
for image in root nonroot tools task; do check "the node has $image.tar" scripts/kube_node.sh load "$node" "$state/$image.tar"; done
scripts/servers.sh install s3
cat >"$state/tests.sh" <<'T'
  export COPILOT_TEST_SERVERS_HOST=10.99.0.1
  . "$1/../env"
  scripts/servers.sh start "$2" s3 >"$2.env"
  . "$2.env"
  exec deno test -A --cached-only tests/cluster/
T
# The store ends with the node, whose namespaces it runs in.
deno_test --no-skips scripts/kube_node.sh exec "$node" bash -euo pipefail "$state/tests.sh" "$node" "$state/s3"
done_counting
