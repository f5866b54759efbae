import assert from "assert";
import { parseDurationMs, parseDurationNs } from "../../../src/flyte/text/durations.ts";

Deno.test("durations: as Go's ParseDuration", () => {
  const cases: [string, bigint | undefined][] = [
    ["0", 0n],
    ["-0", 0n],
    ["1h0m0s", 3_600_000_000_000n],
    ["90s", 90_000_000_000n],
    ["1.5h", 5_400_000_000_000n],
    ["300ms", 300_000_000n],
    ["-3m2.5s", -182_500_000_000n],
    ["+5s", 5_000_000_000n],
    [".5s", 500_000_000n],
    ["5.s", 5_000_000_000n],
    ["5us", 5_000n],
    ["7\u00b5s", 7_000n],
    ["7\u03bcs", 7_000n],
    ["1ns", 1n],
    ["2562047h47m16.854775807s", 2n ** 63n - 1n],
    ["-2562047h47m16.854775808s", -(2n ** 63n)],
    ["2562047h47m16.854775808s", undefined],
    ["", undefined],
    ["+", undefined],
    ["15", undefined],
    ["1d", undefined],
    ["1h 2m", undefined],
    [".s", undefined],
    ["1H", undefined],
    ["s", undefined],
    ["1s2", undefined],
    ["0x1s", undefined],
  ];
  for (const [text, ns] of cases) assert.equal(parseDurationNs(text), ns, text);
});

Deno.test("durations: a bound that is not 0 never becomes 0 milliseconds", () => {
  assert.equal(parseDurationMs("1ns"), 1);
  assert.equal(parseDurationMs("-1ns"), -1);
  assert.equal(parseDurationMs("1500us"), 2);
  assert.equal(parseDurationMs("0s"), 0);
});
