/** Sizes, rates and times as people read them. */
import assert from "assert";
import { countText, rateText, sizeText, timeText } from "../../src/run/figures.ts";

Deno.test("sizes: three figures and a unit, never 1024 of one", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [101_990, "99.6 KiB"],
    [102_350, "100 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [5 * 1024 ** 3, "5.0 GiB"],
    [1024 ** 6, "1024 PiB"],
  ];
  for (const [bytes, text] of cases) assert.equal(sizeText(bytes), text);
});

Deno.test("times: two units at most, never 60 of one", () => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [999, "999 ms"],
    [999.6, "1.0 s"],
    [59_940, "59.9 s"],
    [59_960, "1m00s"],
    [245_000, "4m05s"],
    [3_599_600, "1h00m"],
    [3_725_000, "1h02m"],
  ];
  for (const [ms, text] of cases) assert.equal(timeText(ms), text);
});

Deno.test("rates and counts", () => {
  assert.equal(rateText(1024 * 1024, 500), "2.0 MiB/s");
  assert.equal(rateText(100, 0), "0 B/s");
  assert.deepEqual([countText(1, "file"), countText(0, "file")], ["1 file", "0 files"]);
});
