# README's test command, as a user types it. What it skips, for want of servers or the binary, the stage `servers` runs.
. .ci/lib.sh
COPILOT_TEST_LOG="$COPILOT_CI_STATE/readme-test.log" deno_test npx --yes deno@2.7.14 task test
done_counting
