/** The marker watcher: what each file means, and SIGTERM without one. */
import assert from "assert";
import { open } from "../../../src/watch/watchers/marker.ts";
import type { Exit } from "../../../src/watch/watcher.ts";
import { FakeClock } from "../../support/fakes.ts";
import { fakeContext, FakeFiles } from "../../support/watch_fakes.ts";

const never = () => new AbortController().signal;

function scene() {
  const files = new FakeFiles();
  const clock = new FakeClock();
  const context = fakeContext({ files, clock });
  return { files, clock, context, watcher: open(context) };
}

const ENDS: [marker: string, expected: Pick<Exit, "outcome" | "reason">][] = [
  ["_SUCCESS", { outcome: "ended", reason: "Completed" }],
  ["_ERROR", { outcome: "failed", reason: "Error" }],
];

for (const [marker, expected] of ENDS) {
  Deno.test(`marker watcher: ${marker} is an end, and a start too`, async () => {
    const { files, clock, watcher } = scene();
    files.texts.set(`/out/${marker}`, "");
    await watcher.waitForStart(never());
    const { outcome, reason, message } = await watcher.waitForExit(never());
    assert.deepEqual({ outcome, reason }, expected);
    assert.match(message!, new RegExp(`"/out/${marker}"`));
    assert.equal(clock.waiting, 0);
  });
}

Deno.test("marker watcher: of both ends the bad one counts", async () => {
  const { files, watcher } = scene();
  files.texts.set("/out/_SUCCESS", "").set("/out/_ERROR", "");
  assert.equal((await watcher.waitForExit(never())).outcome, "failed");
});

Deno.test("marker watcher: an end is seen within a fifth of a second, that of a long run within two fifths", async () => {
  const { files, clock, watcher } = scene();
  files.texts.set("/out/_START", "");
  let exit: Exit | null = null;
  const wait = watcher.waitForExit(never()).then((value) => exit = value);
  await clock.advance(9000);
  assert.equal(exit, null);
  files.texts.set("/out/_SUCCESS", "");
  await clock.advance(200);
  assert.notEqual(exit, null);
  await wait;
  const long = scene();
  const end = long.watcher.waitForExit(never());
  await long.clock.advance(60_000);
  long.files.texts.set("/out/_SUCCESS", "");
  await long.clock.advance(400);
  assert.equal((await end).outcome, "ended");
});

Deno.test("marker watcher: while nothing changes in the directory names are looked for every five seconds", async () => {
  const { files, clock, watcher } = scene();
  files.texts.set("/out/_START", "");
  let looks = 0;
  const plain = files.lstat.bind(files);
  files.lstat = (path) => {
    looks++;
    return plain(path);
  };
  const controller = new AbortController();
  const exit = watcher.waitForExit(controller.signal);
  await clock.advance(10_000);
  looks = 0;
  await clock.advance(60_000);
  controller.abort();
  await assert.rejects(exit, { code: "aborted" });
  assert(looks > 0 && looks <= 2 * 13, String(looks));
});

Deno.test("marker watcher: an end in a directory that does not tell its time of change is seen within six seconds", async () => {
  const { files, clock, watcher } = scene();
  files.texts.set("/out/_START", "");
  const plain = files.stat.bind(files);
  files.stat = (path) => {
    const info = plain(path);
    return info && { ...info, mtimeMs: null };
  };
  const exit = watcher.waitForExit(never());
  await clock.advance(30_000);
  files.texts.set("/out/_SUCCESS", "");
  await clock.advance(6000);
  assert.equal((await exit).outcome, "ended");
});

Deno.test("marker watcher: a link or a directory of that name is no marker", async () => {
  const { files, clock, watcher, context } = scene();
  files.texts.set("/out/_SUCCESS", "");
  const plain = files.lstat.bind(files);
  files.lstat = (path) => {
    const info = plain(path);
    return info === null ? null : { ...info, kind: "symlink" };
  };
  const exit = watcher.waitForExit(never());
  await clock.advance(1000);
  context.terminations.deliver();
  await clock.advance(200);
  assert.equal((await exit).outcome, "interrupted");
});

Deno.test("marker watcher: SIGTERM with a marker is an end, without one an interruption", async () => {
  const ended = scene();
  ended.context.terminations.deliver();
  ended.files.texts.set("/out/_SUCCESS", "");
  assert.equal((await ended.watcher.waitForExit(never())).outcome, "ended");
  const open = scene();
  open.context.terminations.deliver();
  const { outcome, reason, message } = await open.watcher.waitForExit(never());
  assert.deepEqual({ outcome, reason }, { outcome: "interrupted", reason: "Terminated" });
  assert.match(message!, /neither "_SUCCESS" nor "_ERROR" in "\/out"/);
});

Deno.test("marker watcher: SIGTERM before any marker is no start", async () => {
  const { context, watcher } = scene();
  context.terminations.deliver();
  await assert.rejects(watcher.waitForStart(never()), {
    code: "task",
    message: /holds no marker file, expected "_START"/,
  });
});
