/** How far a run is, for terminals of any width, for pods, and for nobody. */
import assert from "assert";
import { type Moment, progressFields, progressLine, Rate, showProgress } from "../../src/run/progress.ts";
import type { Progress } from "../../src/transfer/session.ts";
import { FakeClock } from "../support/fakes.ts";
import { recordingLog } from "../support/flows.ts";

const MIB = 1024 * 1024;

function progress(change: Partial<Progress> = {}): Progress {
  return {
    files: 34,
    bytes: 123 * MIB,
    sentBytes: 0,
    retries: 0,
    kept: 0,
    expectedFiles: 80,
    expectedBytes: 270 * MIB,
    isAllKnown: true,
    unverified: 0,
    ...change,
  };
}

function moment(change: Partial<Progress> = {}): Moment {
  return { what: "Download", progress: progress(change), rate: 12.5 * MIB, elapsedMs: 10_000 };
}

Deno.test("progress line: bytes of total, percent, rate, time left, files done of how many", () => {
  assert.equal(
    progressLine(moment(), 120),
    "Download  45%  123 MiB of 270 MiB  12.5 MiB/s  11.8 s left  34 of 80 files",
  );
});

Deno.test("progress line: is cut to the terminal's width at a whole part, the last column free", () => {
  for (let columns = 1; columns < 100; columns++) assert(progressLine(moment(), columns).length < columns);
  assert.equal(progressLine(moment(), 80), progressLine(moment(), 120));
  assert.equal(progressLine(moment(), 40), "Download  45%  123 MiB of 270 MiB");
});

Deno.test("progress line: what is not known yet is not made up", () => {
  const line = progressLine(moment({ isAllKnown: false }), 120);
  assert.equal(line, "Download  123 MiB  12.5 MiB/s  34 files");
  assert.equal(progressLine({ ...moment({ bytes: 0 }), rate: 0 }, 120).includes("left"), false);
  assert.match(progressLine(moment({ bytes: 300 * MIB }), 120), / 100% /);
});

Deno.test("progress fields: numbers for programs", () => {
  assert.deepEqual(progressFields(moment()), {
    files: 34,
    bytes: 123 * MIB,
    ofFiles: 80,
    ofBytes: 270 * MIB,
    rate: "12.5 MiB/s",
    seconds: 10,
    retries: 0,
  });
});

Deno.test("rate: that of the last five seconds, never below nothing", () => {
  const rate = new Rate();
  assert.equal(rate.sample(0, 0), 0);
  assert.equal(rate.sample(1000, 100), 100);
  for (let second = 2; second <= 10; second++) rate.sample(second * 1000, 100);
  assert.equal(rate.sample(11_000, 100), 0);
  assert.equal(rate.sample(12_000, 0), 0);
});

Deno.test("progress: in place on a terminal, a line each minute in a pod, nothing on a pipe", async () => {
  for (
    const [columns, isPod, expected] of [[80, false, "line"], [null, true, "summary"], [
      null,
      false,
      "",
    ]] as const
  ) {
    const clock = new FakeClock();
    const log = recordingLog();
    const lines: string[] = [];
    log.progress = (text) => void lines.push(text);
    const shown = { what: "Download", progress: progress(), startMs: clock.monotonicMs() };
    const stop = showProgress(shown, { columns: () => columns, isPod }, { clock, log });
    await clock.advance(125_000);
    stop();
    assert.equal(lines.some((line) => line.startsWith("Download  45%")), expected === "line");
    assert.equal(
      log.events.filter(({ level }) => level === "summary").length,
      expected === "summary" ? 2 : 0,
    );
  }
});
