# Format, lint, types.
. .ci/lib.sh
check format deno fmt --check
check lint deno lint
check types deno check .
check "types of what measures libraries" deno check --config bench/libraries/deno.json bench/libraries/*.ts
done_counting
