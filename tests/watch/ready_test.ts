/** The startup probe: whose handler is looked at, and what is said while there is none. */
import assert from "assert";
import { readiness } from "../../src/watch/ready.ts";
import { FakeFiles } from "../support/watch_fakes.ts";

const OWN = "0::/\n";
/** SIGTERM is the fifteenth bit; SIGINT and SIGQUIT are others. */
const HANDLES = "0000000000004006";
const DOES_NOT = "0000000000000006";

interface Process {
  pid: number;
  comm?: string;
  cgroup?: string;
  startTicks: number;
  caught: string;
}

function proc(self: Process, others: readonly Process[]): FakeFiles {
  const files = new FakeFiles();
  const put = (
    name: string | number,
    { pid, comm = "copilot", cgroup = OWN, startTicks, caught }: Process,
  ) => {
    const fields = ["S", 0, ...Array(14).fill(0), 0, 1, 0, startTicks, 0];
    files.texts.set(`/proc/${name}/stat`, `${pid} (${comm}) ${fields.join(" ")}\n`)
      .set(`/proc/${name}/cgroup`, cgroup)
      .set(`/proc/${name}/status`, `Name:\t${comm}\nSigIgn:\t0000000000001000\nSigCgt:\t${caught}\n`);
  };
  for (const one of [self, ...others]) put(one.pid, one);
  put("self", self);
  return files;
}

const SELF = { pid: 9, startTicks: 900, caught: HANDLES };

Deno.test("ready: process 1 counts, once it handles SIGTERM, and not the probe itself", () => {
  const first = { pid: 1, startTicks: 100 };
  const early = readiness(proc(SELF, [{ ...first, caught: DOES_NOT }]));
  assert.deepEqual(early, { isReady: false, why: "process 1 (copilot) does not handle SIGTERM yet" });
  assert.equal(readiness(proc(SELF, [{ ...first, caught: HANDLES }])).isReady, true);
});

Deno.test("ready: an older probe, or a process that the sidecar has started, does not answer for it", () => {
  const sidecar = { pid: 5, startTicks: 100, caught: DOES_NOT };
  const others = [{ pid: 7, startTicks: 800, caught: HANDLES }, { pid: 6, startTicks: 100, caught: HANDLES }];
  assert.equal(readiness(proc(SELF, [...others, sidecar])).isReady, false);
});

Deno.test("ready: in a shared PID namespace other containers' processes do not count", () => {
  const pause = { pid: 1, comm: "pause", cgroup: "0::/../pause\n", startTicks: 1, caught: HANDLES };
  const main = { pid: 3, comm: "sh", cgroup: "0::/../main\n", startTicks: 50, caught: HANDLES };
  const sidecar = { pid: 5, startTicks: 100, caught: DOES_NOT };
  assert.match(readiness(proc(SELF, [pause, main, sidecar])).why, /^process 5/);
  assert.match(readiness(proc(SELF, [pause, main])).why, /^no other process in this container/);
});

Deno.test("ready: a process that ends while it is looked at is passed over", () => {
  const files = proc(SELF, [{ pid: 1, startTicks: 100, caught: HANDLES }, {
    pid: 2,
    startTicks: 50,
    caught: DOES_NOT,
  }]);
  files.denied.add("/proc/2/stat");
  assert.equal(readiness(files).isReady, true);
});
