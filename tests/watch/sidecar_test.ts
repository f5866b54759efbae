/** The sidecar's life: what it does once main has ended, was never seen, or cannot be watched, and when it ends itself. */
import assert from "assert";
import type { SidecarCommand } from "../../src/cli/mod.ts";
import { ErrorOrigin } from "../../src/flyte/types.ts";
import type { RunFailure } from "../../src/flyte/codec/error_document.ts";
import { runSidecar, type UploadOccasion } from "../../src/watch/sidecar.ts";
// Loaded before the clock is set going.
import "../../src/watch/automatic.ts";
import "../../src/watch/watchers/marker.ts";
import "../../src/watch/watchers/noop.ts";
import "../../src/watch/watchers/process/mod.ts";
import { FakeClock } from "../support/fakes.ts";
import { sidecarCommand } from "../support/flows.ts";
import { containerId, fakeContext, FakePod } from "../support/watch_fakes.ts";

const MAIN = { id: containerId("a"), sharesVolume: true };

/** A sidecar in a pod of fakes, whose uploads and error documents are kept. */
function scene(change: Partial<SidecarCommand>) {
  const pod = new FakePod();
  const clock = new FakeClock();
  const context = fakeContext({ files: pod.files, clock });
  const uploads: UploadOccasion[] = [];
  const failures: RunFailure[] = [];
  let status: number | null = null;
  const begin = () => {
    const life = runSidecar(sidecarCommand("/out", change), {
      ...context,
      about: { version: "1" },
      hasUploaded: change.metaOutputName === "declared before",
      upload(_, occasion) {
        uploads.push(occasion);
        // One that runs beside main ends when it is interrupted itself.
        if (occasion.ended === undefined) return Promise.resolve(0);
        const { interrupted } = context.terminations;
        return new Promise((resolve) => interrupted.addEventListener("abort", () => resolve(1)));
      },
      report: (_, failure) => Promise.resolve(failures.push(failure) - 1),
    });
    life.then((ended) => status = ended);
    return life;
  };
  return { pod, clock, context, uploads, failures, begin, status: () => status };
}

const AUTO = { startWatchers: ["auto"], exitWatchers: ["auto"] } as const satisfies Partial<SidecarCommand>;

Deno.test("sidecar: an ordinary one uploads at main's end and ends without being told", async () => {
  const { pod, clock, uploads, begin, status } = scene({ ...AUTO, startTimeoutMs: 30_000 });
  pod.start(MAIN, "sh", 3);
  const life = begin();
  await clock.advance(5000);
  assert.equal(uploads.length, 0);
  pod.end(3);
  await clock.advance(2000);
  await life;
  assert.equal(status(), 0);
  assert.deepEqual(uploads, [{}]);
});

Deno.test("sidecar: one that may be native waits for SIGTERM after the upload, but not for ever", async () => {
  for (const isTold of [true, false]) {
    const { pod, clock, context, uploads, begin, status } = scene(AUTO);
    const life = begin();
    const pid = pod.start(MAIN, "sh");
    await clock.advance(5000);
    pod.end(pid);
    await clock.advance(3000);
    assert.equal(uploads.length, 1);
    assert.equal(status(), null);
    if (isTold) context.terminations.deliver();
    await clock.advance(isTold ? 0 : 5000);
    await life;
  }
});

Deno.test("sidecar: with the watcher signal it never ends before it is told", async () => {
  const { clock, context, uploads, begin, status } = scene({
    startWatchers: ["signal"],
    exitWatchers: ["signal", "noop"],
  });
  const life = begin();
  await clock.advance(24 * 3600_000);
  assert.equal(uploads.length, 1);
  assert.equal(status(), null);
  context.terminations.deliver();
  await life;
});

Deno.test("sidecar: a main that was never seen is taken to have been, once the start's bound is over", async () => {
  const { clock, context, uploads, failures, begin } = scene({ ...AUTO, startTimeoutMs: 30_000 });
  const life = begin();
  await clock.advance(29_000);
  assert.equal(uploads.length, 0);
  await clock.advance(2000);
  await life;
  assert.equal(failures.length, 0);
  assert.match(
    uploads[0]!.caveat!,
    /^The main container was not seen within --start-timeout \(30 s\): no other container was seen$/,
  );
  assert(context.log.lines.some((line) => line.startsWith("warning The main container was not seen")));
});

Deno.test("sidecar: nothing is uploaded at the start's bound while something runs that may be main", async () => {
  const { pod, clock, uploads, failures, begin } = scene({ ...AUTO, startTimeoutMs: 30_000 });
  pod.start(MAIN, "sh", 3);
  pod.start({ ...MAIN, id: containerId("b") }, "python3", 4);
  const life = begin();
  await clock.advance(31_000);
  await life;
  assert.equal(uploads.length, 0);
  assert.match(failures[0]!.message, /not finished within 30 s: .*more than one mounts the output volume/);
});

Deno.test("sidecar: --exit-after-upload says it where nobody can know", async () => {
  for (const exitAfterUpload of [true, false]) {
    const { clock, begin, status } = scene({ exitAfterUpload });
    begin();
    await clock.advance(60_000);
    assert.equal(status(), exitAfterUpload ? 0 : null);
  }
});

Deno.test("sidecar: a main that failed is told whatever an earlier life has uploaded, an end that nobody knows is not", async () => {
  for (const metaOutputName of ["outputs.pb", "declared before"]) {
    const failed = scene({ startWatchers: ["file"], exitWatchers: ["file"], metaOutputName });
    failed.pod.files.texts.set("/out/_ERROR", "");
    const first = failed.begin();
    await failed.clock.advance(1000);
    await first;
    assert.equal(failed.failures[0]!.skipIfOutputsExist ?? false, false);
    assert.equal(failed.failures[0]!.origin, ErrorOrigin.USER);
    const unknown = scene({
      startWatchers: ["shared-process-ns"],
      exitWatchers: ["shared-process-ns"],
      metaOutputName,
    });
    const second = unknown.begin();
    await unknown.clock.advance(1000);
    unknown.context.terminations.deliver();
    await unknown.clock.advance(1000);
    await second;
    assert.equal(unknown.failures[0]!.skipIfOutputsExist, metaOutputName === "declared before");
  }
});

Deno.test("sidecar: the first line says what main is looked for, and a wait of a minute is told once", async () => {
  const { pod, clock, context, begin } = scene({ ...AUTO, watchContainer: "trainer" });
  begin();
  await clock.advance(59_000);
  const lines = () => context.log.lines.filter((line) => line.startsWith("summary"));
  assert.deepEqual(lines(), [
    'summary waiting for the main container {"version":"1","start":"auto","exit":"auto","main":"the container named trainer"}',
  ]);
  await clock.advance(2000);
  assert.match(lines()[1]!, /still waiting for the main container's start .*no other container was seen/);
  pod.start({ ...MAIN, name: "trainer" }, "sh");
  await clock.advance(600_000);
  assert.equal(lines().length, 2);
});

Deno.test("sidecar: Ctrl-C ends a wait at once, and nothing is uploaded or told", async () => {
  for (const mainRuns of [false, true]) {
    const { pod, clock, context, uploads, failures, begin } = scene(AUTO);
    const life = begin();
    if (mainRuns) pod.start(MAIN, "sh");
    await clock.advance(5000);
    assert.equal(context.terminations.interrupt(), true);
    await clock.advance(0);
    await life;
    assert.deepEqual([uploads.length, failures.length, context.terminations.count], [0, 0, 0]);
    assert(context.log.lines.some((line) => line.includes("interrupted while waiting")));
    assert.equal(context.terminations.interrupt(), false);
  }
});

Deno.test("sidecar: Ctrl-C ends the wait for SIGTERM after the upload", async () => {
  const { clock, context, begin } = scene({ startWatchers: ["signal"], exitWatchers: ["noop"] });
  const life = begin();
  await clock.advance(60_000);
  context.terminations.interrupt();
  await life;
});

Deno.test("sidecar: Ctrl-C while main runs leaves an early upload to its own interruption", async () => {
  const { pod, clock, context, uploads, begin } = scene({ ...AUTO, mode: "UPLOAD_EAGER" });
  const life = begin();
  pod.start(MAIN, "sh");
  await clock.advance(5000);
  context.terminations.interrupt();
  await clock.advance(1000);
  await life;
  let isOver = false;
  uploads[0]!.ended!.finally(() => isOver = true);
  await clock.advance(1000);
  assert.equal(isOver, false);
});

Deno.test("sidecar: a later life that sees no main has nothing to do where an earlier one has uploaded", async () => {
  const { clock, uploads, failures, begin } = scene({
    ...AUTO,
    startTimeoutMs: 30_000,
    metaOutputName: "declared before",
  });
  const life = begin();
  await clock.advance(31_000);
  await life;
  assert.equal(uploads.length, 0);
  assert.equal(failures[0]!.skipIfOutputsExist, true);
});
