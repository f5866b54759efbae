# The image, and the executable in it as root and as another user. Two builds of one commit, in two places, give one digest. Pods have
# stages of their own.
. .ci/lib.sh
if ! command -v buildah >/dev/null; then
  env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends buildah
fi
check "image for this machine" deno task image --tag localhost/copilot-ci
# runs USER
runs() {
  local container status=0
  container=$(buildah from --pull-never localhost/copilot-ci)
  buildah run --isolation chroot --user "$1" "$container" -- /bin/flyte-copilot version || status=$?
  buildah rm "$container" >/dev/null
  return "$status"
}
check "the executable starts in it" runs 0:0
check "the executable starts in it as another user" runs 65532:65532
work=$(mktemp -d "$COPILOT_CI_STATE/image.XXXXXX")
git clone -q . "$work/clone"
check "image for aarch64, not root's" \
  deno task image --target aarch64-unknown-linux-gnu --variant nonroot --output "$work/here.tar"
# git has no changes of a working copy, so that only a clean checkout can be the same.
if [ -z "$(git status --porcelain)" ]; then
  check "the same image from another directory" \
    bash -c "cd $work/clone && deno task image --target aarch64-unknown-linux-gnu --variant nonroot --output $work/there.tar"
  check "two builds of one commit are the same bytes" cmp "$work/here.tar" "$work/there.tar"
fi
done_counting
