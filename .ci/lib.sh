# Sourced by the stages.

stage_passed=0
stage_failed=0

# check WHAT COMMAND...: counts one.
check() {
  local what=$1
  shift
  if "$@"; then
    echo "ok   $what"
    stage_passed=$((stage_passed + 1))
  else
    echo "FAIL $what"
    stage_failed=$((stage_failed + 1))
  fi
}

# number PATTERN TEXT: what the pattern's group matches, else 0.
number() {
  if [[ $2 =~ $1 ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi
}

# deno_test [--no-skips] COMMAND...: runs a command that ends with the summary of `deno test`, and counts tests and steps.
# Its output also goes to $COPILOT_TEST_LOG, if that is set.
deno_test() {
  local skips=allowed log="${COPILOT_TEST_LOG:-}" summary ignored failures
  if [ "$1" = --no-skips ]; then
    skips=errors
    shift
  fi
  [ -n "$log" ] || log=$(mktemp "$COPILOT_CI_STATE/test.XXXXXX")
  "$@" 2>&1 | tee "$log" || true
  summary=$(grep -aE '^(ok|FAILED) \| ' "$log" | tail -n 1)
  if [ -z "$summary" ]; then
    stage_failed=$((stage_failed + 1))
    return
  fi
  stage_passed=$((stage_passed + $(number '([0-9]+) passed' "$summary") + $(number 'passed \(([0-9]+) step' "$summary")))
  failures=$(($(number '([0-9]+) failed' "$summary") + $(number 'failed \(([0-9]+) step' "$summary")))
  [[ $summary == ok* ]] || [ "$failures" -gt 0 ] || failures=1
  ignored=$(number '([0-9]+) ignored' "$summary")
  if [ "$skips" = errors ] && [ "$ignored" -gt 0 ]; then
    echo "FAIL $ignored tests were skipped"
    failures=$((failures + ignored))
  fi
  stage_failed=$((stage_failed + failures))
}

# done_counting: the last line of every stage.
done_counting() {
  echo "$stage_passed passed, $stage_failed failed"
}
