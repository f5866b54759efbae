import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import { deadlineIn } from "../../src/system/deadline.ts";
import { memoryLimits } from "../../src/system/memory_limits.ts";
import { SigtermCounter } from "../../src/watch/sigterm_counter.ts";
import { FakeClock, settle } from "../support/fakes.ts";
import { MIB, systemWith } from "../support/flows.ts";

// ---------------------------------------------------------------- deadline

Deno.test("deadline: fires when its time is over, with an error that says what and how long", async () => {
  const clock = new FakeClock();
  const { signal } = deadlineIn(clock, 1500, { what: "Upload" });
  await clock.advance(1499);
  assert.equal(signal.aborted, false);
  await clock.advance(1);
  assert.equal(signal.aborted, true);
  assert(codeIs("deadline", "Upload", "1.5 s")(signal.reason));
  assert.equal(clock.waiting, 0);
});

Deno.test("deadline: 0 is no bound, and no timer", async () => {
  const clock = new FakeClock();
  const { signal } = deadlineIn(clock, 0, { what: "Upload" });
  assert.equal(clock.waiting, 0);
  await clock.advance(1e12);
  assert.equal(signal.aborted, false);
});

Deno.test("deadline: once cleared it never fires, and its timer is gone", async () => {
  const clock = new FakeClock();
  const { signal, clear } = deadlineIn(clock, 1000, { what: "Upload" });
  clear();
  clear();
  await settle();
  assert.equal(clock.waiting, 0);
  await clock.advance(2000);
  assert.equal(signal.aborted, false);
});

Deno.test("deadline: fires with its parent and the parent's reason, whichever is first", async () => {
  const clock = new FakeClock();
  const parent = new AbortController();
  const { signal } = deadlineIn(clock, 1000, { what: "Upload", parent: parent.signal });
  const reason = new CopilotError("aborted", "Ended by a signal");
  parent.abort(reason);
  assert.equal(signal.reason, reason);
  await clock.advance(2000);
  assert.equal(signal.reason, reason, "the first one counts");
  const late = deadlineIn(clock, 1000, { what: "Upload", parent: parent.signal });
  assert.equal(late.signal.reason, reason, "also when the parent has fired before");
  late.clear();
});

// ---------------------------------------------------------------- terminations

Deno.test("terminations: one that came before anybody waited is not lost", async () => {
  const terminations = new SigtermCounter();
  terminations.deliver();
  await terminations.next(0, new AbortController().signal);
  assert.equal(terminations.count, 1);
});

Deno.test("terminations: the second is told from the first", async () => {
  const terminations = new SigtermCounter();
  const { signal } = new AbortController();
  const order: string[] = [];
  terminations.next(0, signal).then(() => order.push("first"));
  terminations.next(1, signal).then(() => order.push("second"));
  await settle();
  assert.deepEqual(order, []);
  terminations.deliver();
  await settle();
  assert.deepEqual(order, ["first"]);
  terminations.deliver();
  await settle();
  assert.deepEqual(order, ["first", "second"]);
});

Deno.test("terminations: a wait that is cancelled rejects, before and during it", async () => {
  const terminations = new SigtermCounter();
  const controller = new AbortController();
  const waiting = terminations.next(0, controller.signal);
  controller.abort();
  await assert.rejects(waiting, codeIs("aborted"));
  await assert.rejects(terminations.next(0, controller.signal), codeIs("aborted"));
  terminations.deliver();
});

// ---------------------------------------------------------------- the memory limit

const V2 = "/sys/fs/cgroup/memory.max";
const MEMINFO = "/proc/meminfo";
const V1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes";

function meminfo(availableMiB: number): string {
  return `MemTotal:       99999999 kB\nMemFree:  1 kB\nMemAvailable:   ${
    availableMiB * 1024
  } kB\nBuffers: 9 kB\n`;
}

for (
  const [what, files, expected, documents = expected] of [
    ["cgroup v2", { [V2]: "268435456\n" }, 256 * MIB],
    ["cgroup v1", { [V1]: "268435456\n" }, 256 * MIB],
    ["v2 before v1", { [V2]: "268435456\n", [V1]: "1\n" }, 256 * MIB],
    ["no limit in v2", { [V2]: "max\n" }, 128 * MIB],
    ["no limit in v1", { [V1]: "9223372036854771712\n" }, 128 * MIB],
    ["a limit above what is of use", { [V2]: "64424509440\n" }, 1024 * MIB],
    ["no cgroup", {}, 128 * MIB],
    ["an empty file", { [V2]: "" }, 128 * MIB],
    ["nonsense", { [V2]: "-1", [V1]: "lots" }, 128 * MIB],
    ["a limit on a large machine", { [V2]: "268435456\n", [MEMINFO]: meminfo(8192) }, 256 * MIB],
    ["no limit on a small machine", { [V2]: "max\n", [MEMINFO]: meminfo(400) }, 128 * MIB],
    ["no limit on a machine with 2 GiB", { [V2]: "max\n", [MEMINFO]: meminfo(2048) }, 128 * MIB, 512 * MIB],
    ["no limit on a large machine", { [MEMINFO]: meminfo(65536) }, 128 * MIB, 1024 * MIB],
  ] as [string, Record<string, string>, number, number?][]
) {
  Deno.test(`memory: ${what} is ${expected / MIB} MiB, for documents ${documents / MIB}`, () => {
    const { files: reading } = systemWith({
      readHead(path) {
        const text = files[path];
        if (text === undefined) throw new CopilotError("not-found", `Cannot read "${path}"`);
        return new TextEncoder().encode(text);
      },
    });
    const wanted = { memoryLimitBytes: expected, documentLimitBytes: documents };
    assert.deepEqual(memoryLimits(reading), wanted);
  });
}
