/** The watcher that finds out by itself whether main's processes can be seen. */
import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { open } from "../../src/watch/automatic.ts";
import { FakeClock } from "../support/fakes.ts";
import { containerId, fakeContext, FakePod, stat } from "../support/watch_fakes.ts";

const MAIN = { id: containerId("a"), sharesVolume: true };
const never = () => new AbortController().signal;

function scene(change: (pod: FakePod) => void = () => {}) {
  const pod = new FakePod();
  change(pod);
  const clock = new FakeClock();
  const context = fakeContext({ files: pod.files, clock });
  return { pod, clock, context };
}

for (
  const [where, change] of [
    [
      "the first process of its own namespace",
      (pod: FakePod) => void pod.files.texts.set("/proc/self/stat", stat(1, "copilot", { parentPid: 0 })),
    ],
    [
      "a container with an init of its own",
      (pod: FakePod) => void pod.files.texts.set("/proc/1/cgroup", "0::/\n"),
    ],
    [
      "no container at all",
      (pod: FakePod) => void pod.files.texts.set("/proc/self/cgroup", "0::/user.slice/session-1.scope\n"),
    ],
    ["a pod that hides processes", (pod: FakePod) => pod.end(1)],
  ] as const
) {
  Deno.test(`auto: in ${where} SIGTERM alone tells main's end`, async () => {
    const { pod, clock, context } = scene(change);
    const watcher = await open(context);
    await watcher.waitForStart(never());
    const exit = watcher.waitForExit(never());
    const pid = pod.start(MAIN, "sh");
    await clock.advance(5000);
    pod.end(pid);
    await clock.advance(5000);
    context.terminations.deliver();
    assert.equal((await exit).by, "signal");
    assert.equal(watcher.lingerMs(), Infinity);
    assert.equal(watcher.mayHaveMissedMain(), false);
    watcher.close();
  });
}

Deno.test("auto: in a shared namespace main's end is seen without any SIGTERM", async () => {
  const { pod, clock, context } = scene();
  const watcher = await open(context);
  const pid = pod.start(MAIN, "sh");
  const start = watcher.waitForStart(never());
  await clock.advance(5000);
  await start;
  const exit = watcher.waitForExit(never());
  pod.end(pid);
  await clock.advance(5000);
  assert.equal((await exit).by, "shared-process-ns");
  watcher.close();
});

Deno.test("auto: SIGTERM while main runs in a shared namespace is an interruption, not main's end", async () => {
  const { pod, clock, context } = scene();
  const watcher = await open(context);
  pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(5000);
  context.terminations.deliver();
  await clock.advance(100);
  assert.equal((await exit).outcome, "interrupted");
  watcher.close();
});

Deno.test("auto: SIGTERM tells the end of a main that was never seen", async () => {
  const { clock, context } = scene();
  const watcher = await open(context);
  const start = watcher.waitForStart(never());
  await clock.advance(5000);
  context.terminations.deliver();
  await clock.advance(100);
  await start;
  const { by, outcome } = await watcher.waitForExit(never());
  assert.deepEqual({ by, outcome }, { by: "signal", outcome: "ended" });
  watcher.close();
});

Deno.test("auto: SIGTERM tells nothing where containers run that may be main", async () => {
  const { pod, clock, context } = scene();
  const watcher = await open(context);
  pod.start(MAIN, "sh");
  pod.start({ ...MAIN, id: containerId("b") }, "sh");
  const exit = watcher.waitForExit(never());
  const told = assert.rejects(exit, (error) => error instanceof CopilotError && error.code === "task");
  await clock.advance(5000);
  assert.equal(watcher.mayHaveMissedMain(), false);
  context.terminations.deliver();
  await clock.advance(100);
  await told;
  watcher.close();
});

Deno.test("auto: a sidecar that is older than main waits a little to be told, a younger one does not", async () => {
  for (const [pid, lingers] of [[3, false], [9, true]] as const) {
    const { pod, clock, context } = scene();
    const watcher = await open(context);
    pod.start(MAIN, "sh", pid);
    const exit = watcher.waitForExit(never());
    await clock.advance(5000);
    pod.end(pid);
    await clock.advance(5000);
    await exit;
    assert.equal(watcher.lingerMs() > 0, lingers);
    assert.notEqual(watcher.lingerMs(), Infinity);
    watcher.close();
  }
});
