#!/usr/bin/env bash
# Runs the recorded cases against dist/copilot and a real S3 server: COPILOT_TEST_S3 if set, else a versitygw of its own.
#
#   deno task conformance [run.py's options, such as --only 'download-*' --list-passed]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
binary="${COPILOT_TEST_BIN:-$root/dist/copilot}"
[ -x "$binary" ] || {
  echo "conformance: no $binary: run \`deno task compile\` first" >&2
  exit 1
}
python=$("$root/.ci/venv")
if [ -z "${COPILOT_TEST_S3:-}" ]; then
  "$root/scripts/servers.sh" install s3
  state=$(mktemp -d)
  trap '"$root/scripts/servers.sh" stop "$state"; rm -rf "$state"' EXIT
  eval "$("$root/scripts/servers.sh" start "$state" s3)"
fi
"$python" "$root/tests/conformance/run.py" --bin "$binary" --cases "$root/tests/conformance/cases" \
  --endpoint "$COPILOT_TEST_S3" --jobs 2 "$@"
