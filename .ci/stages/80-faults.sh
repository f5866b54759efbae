# What goes wrong, for a few minutes: fuzzers, traversal, faults, kills and full disks on the executable, a seeded soak.
. .ci/lib.sh
. "$COPILOT_CI_STATE/env"
export COPILOT_TEST_REQUIRE=1 COPILOT_TEST_KILLS=5 COPILOT_FUZZ_MS=3000
deno_test deno test -A tests/fuzz/ tests/e2e/faults_test.ts tests/e2e/kills_test.ts tests/e2e/disk_test.ts tests/e2e/edges_test.ts tests/e2e/permissions_test.ts
check "random faulted runs break no promise" deno task soak --runs 60 --seconds 120 --seed 1 --binary "$PWD/dist/copilot"
# A seeded sample of changes of one operator each; a few mean nothing, so half of eight is the bound.
check "the tests notice most of a sample of mutants" deno task mutate --sample 8 --seed 7 --least 50
done_counting
