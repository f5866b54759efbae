# Every test file of which the stage `test` skipped something, now with real servers and the executable: the storage contract,
# the recorded cases, SDK inputs, everything end to end. A skip is an error.
. .ci/lib.sh
echo "waiting for the servers' installation"
while [ ! -e "$COPILOT_CI_STATE/installed" ]; do sleep 1; done
cat "$COPILOT_CI_STATE/install.log"
check "the servers are installed" grep -qx 0 "$COPILOT_CI_STATE/installed"
scripts/servers.sh start "$COPILOT_CI_STATE/servers" >"$COPILOT_CI_STATE/env"
{
  echo "export COPILOT_TEST_REQUIRE=1 COPILOT_REQUIRE_SERVERS=1 COPILOT_TEST_MANY=1 COPILOT_TEST_BIN=$PWD/dist/copilot"
  echo "export COPILOT_TEST_PYTHON=$(cat "$COPILOT_CI_STATE/python")"
} >>"$COPILOT_CI_STATE/env"
. "$COPILOT_CI_STATE/env"
# The shells in which completion is tried.
if ! command -v zsh >/dev/null || ! command -v fish >/dev/null; then
  env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends zsh fish >/dev/null
fi
mapfile -t files < <(
  awk '/^running [0-9]+ tests? from / { file = $NF } / \.\.\. ignored/ { print file }' "$COPILOT_CI_STATE/readme-test.log" | sort -u |
    grep -v -e '/tests/pods/' -e '/tests/cluster/' -e '/tests/watch/watchers/kube/server_test.ts' -e '/tests/e2e/\(faults\|kills\|disk\|edges\|permissions\)_test' # stages of their own
)
[ ${#files[@]} -eq 0 ] || deno_test --no-skips deno test -A "${files[@]}"
done_counting
