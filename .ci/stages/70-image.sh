# The image FROM scratch, and the executable in it as the user that is not root. Pods have their own stage.
. .ci/lib.sh
if ! command -v buildah >/dev/null; then
  env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends buildah
fi
check "image for this machine" deno task image --tag localhost/copilot-ci
runs() {
  local container status=0
  container=$(buildah from --pull-never localhost/copilot-ci)
  buildah run --isolation chroot --user 65532:65532 "$container" -- /bin/flyte-copilot version || status=$?
  buildah rm "$container" >/dev/null
  return "$status"
}
check "the executable starts in it" runs
check "image for aarch64" deno task image --target aarch64-unknown-linux-gnu --tag localhost/copilot-ci-arm64
done_counting
