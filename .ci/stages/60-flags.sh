# The flag tables in docs/flags.md are those that the code gives, and the examples in comments and pages do what they say.
. .ci/lib.sh
check "flag tables are up to date" deno task flags:check
check "the examples in comments and pages run" deno task test:doc
done_counting
