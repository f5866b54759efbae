# The flag tables in docs/flags.md are those that the code gives.
. .ci/lib.sh
check "flag tables are up to date" deno task flags:check
done_counting
