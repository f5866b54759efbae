/** Lists of watchers, the pair of a run, and terminations. */
import assert from "assert";
import { CopilotError } from "../../../src/errors.ts";
import { race } from "../../../src/watch/abort.ts";
import { SigtermCounter } from "../../../src/watch/sigterm_counter.ts";
import { openWatchers } from "../../../src/watch/watchers/mod.ts";
import { FakeClock, settle } from "../../support/fakes.ts";
import { containerId, fakeContext, FakeFiles, FakePod } from "../../support/watch_fakes.ts";

const never = () => new AbortController().signal;

Deno.test("watchers: an unknown name is a usage error that lists the known ones", async () => {
  for (const name of ["", "files", "constructor", "__proto__"]) {
    await assert.rejects(openWatchers({ start: ["noop"], exit: [name] }, fakeContext()), {
      code: "usage",
      message:
        /no such watcher, expected one of auto, signal, shared-process-ns, file, kube-api, noop, shared-process-namespace$/,
    });
  }
});

Deno.test("watchers: both names of the process watcher are one", async () => {
  const { start, exit, close } = await openWatchers(
    { start: ["shared-process-namespace"], exit: ["shared-process-ns"] },
    fakeContext(),
  );
  assert.equal(start.name, "shared-process-ns");
  assert.equal(start, exit);
  close();
});

Deno.test("watchers: what the start saw the exit knows, so a quick main is not missed between them", async () => {
  const pod = new FakePod();
  const clock = new FakeClock();
  const names = { start: ["shared-process-ns"], exit: ["file", "shared-process-ns"] };
  const { start, exit, close } = await openWatchers(names, fakeContext({ clock, files: pod.files }));
  const started = start.waitForStart(never());
  await clock.advance(30);
  const pid = pod.start({ id: containerId("a"), sharesVolume: true }, "true");
  await clock.advance(25);
  pod.end(pid);
  await clock.advance(5000);
  await started;
  assert.equal((await exit.waitForExit(never())).by, "shared-process-ns");
  assert.equal(clock.waiting, 0);
  close();
});

Deno.test("a list: the first that proves it wins, and the others stop", async () => {
  const clock = new FakeClock();
  const files = new FakeFiles();
  const context = fakeContext({ clock, files });
  const { exit, close } = await openWatchers({ start: ["noop"], exit: ["file", "signal"] }, context);
  assert.equal(exit.name, "file,signal");
  const wait = exit.waitForExit(never());
  await clock.advance(1000);
  files.texts.set("/out/_SUCCESS", "");
  await clock.advance(200);
  assert.equal((await wait).by, "file");
  assert.equal(clock.waiting, 0);
  close();
  close();
});

Deno.test("a list: one that cannot work here leaves the others watching, and the log says so", async () => {
  const clock = new FakeClock();
  const pod = new FakePod();
  pod.files.texts.set("/proc/1/cgroup", "0::/\n");
  const context = fakeContext({ clock, files: pod.files });
  const { exit, close } = await openWatchers(
    { start: ["noop"], exit: ["shared-process-ns", "file"] },
    context,
  );
  const wait = exit.waitForExit(never());
  await clock.advance(1000);
  pod.files.texts.set("/out/_SUCCESS", "");
  await clock.advance(200);
  assert.equal((await wait).by, "file");
  assert.equal(context.log.lines.length, 1);
  assert.match(
    context.log.lines[0]!,
    /^warning watcher failed: .*shareProcessNamespace.*"watcher":"shared-process-ns"/,
  );
  close();
});

Deno.test("a list: when none can work the first one's error is the error", async () => {
  const pod = new FakePod();
  pod.files.texts.set("/proc/1/cgroup", "0::/\n");
  const context = fakeContext({ files: pod.files });
  const { exit, close } = await openWatchers(
    { start: ["noop"], exit: ["shared-process-ns", "file"] },
    context,
  );
  context.terminations.deliver();
  // The marker watcher calls it an interruption, so it is the one that knows.
  assert.equal((await exit.waitForExit(never())).outcome, "interrupted");
  const { start } = await openWatchers({ start: ["shared-process-ns", "file"], exit: ["noop"] }, context);
  await assert.rejects(start.waitForStart(never()), { code: "config", message: /shareProcessNamespace/ });
  close();
});

Deno.test("a list: a cancelled wait is aborted", async () => {
  const names = { start: ["file", "shared-process-ns", "kube-api"], exit: ["noop"] };
  const { start, close } = await openWatchers(names, fakeContext());
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(start.waitForStart(controller.signal), { code: "aborted" });
  close();
});

Deno.test("a race that is cancelled waits until everyone has stopped", async () => {
  const controller = new AbortController();
  let stopped = 0;
  const slow = (signal: AbortSignal) =>
    new Promise<never>((_, reject) =>
      signal.addEventListener("abort", async () => {
        await settle();
        stopped++;
        reject(new CopilotError("aborted", "x"));
      })
    );
  const wait = race([slow, slow], { signal: controller.signal, mode: "first" });
  controller.abort();
  await assert.rejects(wait, { code: "aborted" });
  assert.equal(stopped, 2);
});

Deno.test("terminations: one that came before the wait began counts", async () => {
  const terminations = new SigtermCounter();
  terminations.deliver();
  await terminations.next(0, never());
  assert.equal(terminations.count, 1);
});

Deno.test("terminations: the second one is waited for apart from the first", async () => {
  const terminations = new SigtermCounter();
  let second = false;
  const wait = terminations.next(1, never()).then(() => second = true);
  terminations.deliver();
  await settle();
  assert(!second);
  terminations.deliver();
  await wait;
  assert(second);
});

Deno.test("terminations: a cancelled wait is aborted, others go on", async () => {
  const terminations = new SigtermCounter();
  const controller = new AbortController();
  const gone = terminations.next(0, controller.signal);
  const stays = terminations.next(0, never());
  controller.abort();
  await assert.rejects(gone, { code: "aborted" });
  terminations.deliver();
  await stays;
});
