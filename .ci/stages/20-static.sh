# Format, lint, types.
. .ci/lib.sh
check format deno fmt --check
check lint deno lint
check types deno check .
done_counting
