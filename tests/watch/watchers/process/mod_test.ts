/** The process watcher on a /proc of fakes: wrong set-ups, terminations, out of memory, and how little it reads. */
import assert from "assert";
import { CopilotError, type ErrorCode } from "../../../../src/errors.ts";
import { open } from "../../../../src/watch/watchers/process/mod.ts";
import type { Exit, Watcher } from "../../../../src/watch/watcher.ts";
import { FakeClock } from "../../../support/fakes.ts";
import {
  containerId,
  fakeContext,
  FakePod,
  FakeProcesses,
  mountinfo,
  stat,
} from "../../../support/watch_fakes.ts";

const MAIN = { id: containerId("a"), sharesVolume: true };
const never = () => new AbortController().signal;

function scene(command: Parameters<typeof fakeContext>[0] = {}) {
  const pod = new FakePod();
  const clock = new FakeClock();
  const context = fakeContext({ files: pod.files, clock, ...command });
  return { pod, clock, context, watcher: open(context) as Watcher };
}

async function fails(wait: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(wait, (error) => {
    assert(error instanceof CopilotError);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("process watcher: without a shared namespace the error names the setting", async () => {
  const { pod, watcher } = scene();
  pod.files.texts.set("/proc/1/cgroup", "0::/\n");
  await fails(
    watcher.waitForStart(never()),
    "config",
    /only this container's own processes are visible, expected "shareProcessNamespace: true"/,
  );
});

Deno.test("process watcher: being the first process means that nothing is shared", async () => {
  const { pod, watcher } = scene();
  pod.files.texts.set("/proc/self/stat", stat(1, "copilot", { parentPid: 0 }));
  await fails(watcher.waitForExit(never()), "config", /shareProcessNamespace: true/);
});

Deno.test("process watcher: a kernel that shows no cgroups cannot tell containers apart, which the error says", async () => {
  const { pod, watcher } = scene();
  for (const pid of ["self", "1"]) pod.files.texts.set(`/proc/${pid}/cgroup`, "");
  await fails(
    watcher.waitForStart(never()),
    "config",
    /shows no cgroups.*expected the watcher file or kube-api/,
  );
});

for (
  const [how, hide] of [
    ["that hides the directories", (pod: FakePod) => pod.end(1)],
    ["that closes the files", (pod: FakePod) => void pod.files.denied.add("/proc/1/cgroup")],
  ] as const
) {
  Deno.test(`process watcher: a hidepid ${how} is named`, async () => {
    const { pod, watcher } = scene();
    pod.files.texts.set(
      "/proc/self/mountinfo",
      mountinfo({ id: "own" }).replace("proc proc rw", "proc proc rw,hidepid=invisible"),
    );
    hide(pod);
    await fails(
      watcher.waitForStart(never()),
      "config",
      /other users are hidden \(hidepid=invisible\).*or use the watcher file or kube-api/,
    );
  });
}

Deno.test("process watcher: no permission to read /proc at all is no fault of the pod", async () => {
  const { pod, watcher } = scene();
  pod.files.denied.add("/proc/self/cgroup");
  await fails(watcher.waitForStart(never()), "denied", /"\/proc\/self\/cgroup"/);
});

Deno.test("process watcher: a name that nobody has is told with those seen, in the log after a while", async () => {
  const { pod, clock, context, watcher } = scene({ command: { watchContainer: "mian" } });
  pod.start({ ...MAIN, name: "main" }, "python3");
  const controller = new AbortController();
  const wait = watcher.waitForStart(controller.signal);
  await clock.advance(60_000);
  controller.abort();
  await fails(wait, "aborted", /cancelled/);
  assert.match(
    watcher.describe(),
    /^containers seen: "main" \(id a0{11}, program "python3"\); none is named "mian" \(--watch-container\)$/,
  );
  assert.equal(
    context.log.lines.filter((line) =>
      line.includes('none is named \\"mian\\"') || line.includes('none is named "mian"')
    ).length,
    1,
  );
});

Deno.test("process watcher: an id may be given as a pod's status has it", async () => {
  const { pod, clock, watcher } = scene({
    command: { watchContainerId: `containerd://${MAIN.id.toUpperCase()}` },
  });
  pod.start(MAIN, "sh");
  const wait = watcher.waitForStart(never());
  await clock.advance(100);
  await wait;
});

Deno.test("process watcher: SIGTERM while main runs is an interruption", async () => {
  const { pod, clock, context, watcher } = scene();
  pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(2000);
  context.terminations.deliver();
  await clock.advance(100);
  const { outcome, reason, message } = await exit;
  assert.deepEqual({ outcome, reason }, { outcome: "interrupted", reason: "Terminated" });
  assert.match(message!, /still runs/);
});

Deno.test("process watcher: SIGTERM that comes as main is gone tells of an end", async () => {
  const { pod, clock, context, watcher } = scene();
  const pid = pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(2000);
  pod.end(pid);
  context.terminations.deliver();
  await clock.advance(100);
  assert.equal((await exit).outcome, "ended");
});

Deno.test("process watcher: a main that came and went before it could be chosen is known once SIGTERM comes", async () => {
  const { pod, clock, context, watcher } = scene();
  const pid = pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(20);
  pod.end(pid);
  context.terminations.deliver();
  await clock.advance(100);
  assert.equal((await exit).outcome, "ended");
});

Deno.test("process watcher: SIGTERM without any main is an error that says what was seen", async () => {
  const { clock, context, watcher } = scene();
  const start = watcher.waitForStart(never());
  const exit = watcher.waitForExit(never());
  const over = Promise.all([
    fails(start, "task", /the pod is being stopped, and main was not found: no other container was seen/),
    fails(exit, "task", /main was not found/),
  ]);
  await clock.advance(1000);
  context.terminations.deliver();
  await clock.advance(100);
  await over;
});

Deno.test("process watcher: of two containers with the volume both are waited for, and the log says what would tell", async () => {
  const { pod, clock, context, watcher } = scene();
  const pid = pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(2000);
  const other = pod.start({ id: containerId("b"), sharesVolume: true }, "fluentd");
  await clock.advance(10_000);
  pod.end(pid);
  await clock.advance(60_000);
  assert(
    context.log.lines.some((line) => /two containers mount.*fluentd.*--watch-container NAME/.test(line)),
  );
  pod.end(other);
  await clock.advance(10_000);
  assert.equal((await exit).outcome, "ended");
});

for (
  const [what, comms] of [
    ["crun on older kernels, which shows as 3", ["3", "sh"]],
    ["sysbox", ["sysbox-runc:[2:", "python3"]],
    ["a runtime that nobody knows", ["setup", "sh"]],
    ["no stage at all", ["sh", "sh"]],
  ] as const
) {
  Deno.test(`process watcher: main is found whatever its runtime: ${what}`, async () => {
    const { pod, clock, watcher } = scene();
    const pid = pod.start({ id: MAIN.id }, comms[0]);
    // The machine's own mounts, before the runtime has changed its root.
    pod.files.texts.set(`/proc/${pid}/mountinfo`, mountinfo({ id: "own", sharesVolume: true }));
    const start = watcher.waitForStart(never());
    await clock.advance(300);
    pod.files.texts.set(`/proc/${pid}/mountinfo`, mountinfo(MAIN))
      .set(`/proc/${pid}/stat`, stat(pid, comms[1], { parentPid: 0 }));
    await clock.advance(2000);
    await start;
    assert.match(watcher.describe(), new RegExp(`program "${comms[1]}".*found by its volume`));
  });
}

Deno.test("process watcher: a main called copilot is main, one with a copilot's arguments is not", async () => {
  for (
    const [args, isMain] of [["ask\0--model\0x\0", true], [
      "download\0--to-output-prefix\0s3://b/o\0",
      false,
    ]] as const
  ) {
    const { pod, clock, context, watcher } = scene();
    const pid = pod.start(MAIN, "copilot");
    pod.files.texts.set(`/proc/${pid}/cmdline`, `/bin/copilot\0${args}`);
    const controller = new AbortController();
    const start = watcher.waitForStart(controller.signal).catch(() => {});
    await clock.advance(5000);
    assert.equal(context.log.lines.some((line) => line.includes("main container found")), isMain);
    controller.abort();
    await start;
  }
});

Deno.test("process watcher: a main called runc costs no more than another", async () => {
  for (const program of ["runc", "runc:[2:INIT]", "sh"]) {
    const { pod, clock, watcher } = scene({ command: { watchContainer: "other" } });
    pod.start(MAIN, program);
    const controller = new AbortController();
    const start = watcher.waitForStart(controller.signal).catch(() => {});
    await clock.advance(70_000);
    pod.files.reads.length = 0;
    await clock.advance(10_000);
    assert(pod.files.reads.length < 1500, `${program}: ${pod.files.reads.length}`);
    controller.abort();
    await start;
  }
});

Deno.test("process watcher: a main that mounts a part of the volume, or all of what is mounted here in part, is found", async () => {
  for (const [own, other] of [["", "/part"], ["/part", ""]] as const) {
    const { pod, clock, watcher } = scene();
    const table = pod.files.texts.get("/proc/self/mountinfo")!;
    pod.files.texts.set("/proc/self/mountinfo", table.replace("empty-dir/out ", `empty-dir/out${own} `));
    const pid = pod.start(MAIN, "sh");
    const mounts = pod.files.texts.get(`/proc/${pid}/mountinfo`)!;
    pod.files.texts.set(`/proc/${pid}/mountinfo`, mounts.replace("empty-dir/out ", `empty-dir/out${other} `));
    const start = watcher.waitForStart(never());
    await clock.advance(2000);
    await start;
    assert.match(watcher.describe(), /found by its volume/);
  }
});

Deno.test("process watcher: a loadavg that stands still or lags hides no quick main", async () => {
  for (const lagMs of [Infinity, 3000]) {
    const { pod, clock, watcher } = scene();
    const controller = new AbortController();
    const start = watcher.waitForStart(controller.signal);
    await clock.advance(1000);
    const before = pod.files.texts.get("/proc/loadavg")!;
    const first = pod.start({ id: containerId("c") }, "init");
    const after = pod.files.texts.get("/proc/loadavg")!;
    pod.files.texts.set("/proc/loadavg", before);
    await clock.advance(lagMs === Infinity ? 3000 : lagMs);
    if (lagMs !== Infinity) pod.files.texts.set("/proc/loadavg", after);
    pod.end(first);
    await clock.advance(3000);
    // Gone long before the next look at all processes.
    const pid = pod.start(MAIN, "sh");
    pod.files.texts.set("/proc/loadavg", after);
    await clock.advance(60);
    pod.end(pid);
    await clock.advance(3000);
    await start;
    controller.abort();
  }
});

Deno.test("process watcher: the kernel's own number of the newest process is relied on from the start", async () => {
  const { pod, clock, watcher } = scene();
  pod.files.texts.set("/proc/sys/kernel/ns_last_pid", "5\n");
  for (let n = 0; n < 50; n++) pod.start({ id: containerId("c") }, "worker", 100 + n);
  pod.files.texts.set("/proc/sys/kernel/ns_last_pid", "149\n");
  const start = watcher.waitForStart(never());
  await clock.advance(1000);
  pod.files.reads.length = 0;
  await clock.advance(3000);
  // Forty times a second one small file, and a few of the one container five times a second.
  assert(pod.files.reads.length < 400, String(pod.files.reads.length));
  const pid = pod.start(MAIN, "sh", 150);
  pod.files.texts.set("/proc/sys/kernel/ns_last_pid", "150\n");
  await clock.advance(60);
  pod.end(pid);
  await clock.advance(3000);
  await start;
});

Deno.test("process watcher: processes that come and are gone at once cost one reading of the number each, and a container that is not main little", async () => {
  const { pod, clock, watcher } = scene();
  pod.files.texts.set("/proc/sys/kernel/ns_last_pid", "100\n");
  pod.start({ id: containerId("c") }, "worker", 100);
  const wait = watcher.waitForStart(never());
  // By then every wait for a sign is over.
  await clock.advance(20_000);
  pod.files.reads.length = 0;
  for (let pid = 105; pid <= 600; pid += 5) {
    pod.files.texts.set("/proc/sys/kernel/ns_last_pid", `${pid}\n`);
    await clock.advance(20);
  }
  const others = pod.files.reads.filter((path) => !path.endsWith("ns_last_pid"));
  assert(others.length < 25, `${others.length} readings in two seconds: ${others.slice(0, 30)}`);
  const main = pod.start(MAIN, "sh", 601);
  pod.files.texts.set("/proc/sys/kernel/ns_last_pid", "610\n");
  await clock.advance(60);
  pod.end(main);
  await clock.advance(3000);
  await wait;
});

Deno.test("process watcher: with the host's PID namespace other pods are not looked at", async () => {
  const { pod, clock, watcher } = scene();
  const cgroup = `0::/../../kubepods-pod11111111_2222_3333_4444_555555555555.slice/cri-containerd-${
    containerId("b")
  }.scope`;
  pod.start({ id: containerId("b"), sharesVolume: true }, "stranger", 20);
  pod.files.texts.set("/proc/20/cgroup", cgroup);
  pod.start(MAIN, "sh");
  const start = watcher.waitForStart(never());
  await clock.advance(2000);
  await start;
  assert.match(watcher.describe(), /^main is \(id a0{11}/);
});

Deno.test("process watcher: a runtime that still sees the machine's mounts shows nothing about its container", async () => {
  const { pod, clock, watcher } = scene();
  const pid = pod.start({ id: containerId("b") }, "runc:[2:INIT]");
  const table = mountinfo({ id: "own", sharesVolume: true });
  pod.files.texts.set(`/proc/${pid}/mountinfo`, table);
  const start = watcher.waitForStart(never());
  await clock.advance(5000);
  assert.match(watcher.describe(), /none mounts the output volume/);
  pod.files.texts.set(`/proc/${pid}/stat`, stat(pid, "sh", { parentPid: 0 })).set(
    `/proc/${pid}/mountinfo`,
    mountinfo(MAIN),
  );
  await clock.advance(5000);
  await start;
});

const MEMORY: { version: string; events: string; limit: string; text: (kills: number) => string }[] = [
  {
    version: "1",
    events: "memory/memory.oom_control",
    limit: "memory/memory.limit_in_bytes",
    text: (n) => `oom_kill_disable 0\nunder_oom 0\noom_kill ${n}\n`,
  },
  {
    version: "2",
    events: "memory.events",
    limit: "memory.max",
    text: (n) => `low 0\nhigh 0\nmax 9\noom 1\noom_kill ${n}\noom_group_kill 0\n`,
  },
];

for (const { version, events, limit, text } of MEMORY) {
  const run = async (kills: (set: (n: number) => void, clock: FakeClock) => Promise<void>) => {
    const { pod, clock, watcher } = scene();
    const pid = pod.start(MAIN, "sh");
    const base = `/proc/${pid}/root/sys/fs/cgroup/`;
    const set = (n: number) => void pod.files.texts.set(base + events, text(n));
    set(3);
    pod.files.texts.set(base + limit, "67108864\n");
    const exit = watcher.waitForExit(never());
    await clock.advance(2000);
    await kills(set, clock);
    pod.end(pid);
    await clock.advance(200);
    return await exit;
  };

  Deno.test(`process watcher: memory events of cgroup ${version} tell that main was out of memory, with its limit`, async () => {
    const { outcome, reason, message } = await run((set) => Promise.resolve(set(4)));
    assert.deepEqual({ outcome, reason }, { outcome: "failed", reason: "OOMKilled" });
    assert.match(message!, /out of memory, memory limit 67108864 bytes$/);
  });

  Deno.test(`process watcher: memory events of cgroup ${version}, a kill long before the end is none of the end's`, async () => {
    const exit = await run(async (set, clock) => {
      set(4);
      await clock.advance(10_000);
    });
    assert.equal(exit.outcome, "ended");
  });
}

for (const isKilled of [true, false]) {
  Deno.test(`process watcher: main's memory events are gone before they were read, the machine ${isKilled ? "has" : "has not"} killed`, async () => {
    const { pod, clock, watcher } = scene();
    const pid = pod.start(MAIN, "sh");
    const events = `/proc/${pid}/root/sys/fs/cgroup/memory.events`;
    pod.files.texts.set(events, "oom_kill 0\n").set("/proc/vmstat", "nr_free_pages 12\noom_kill 7\n");
    const exit = watcher.waitForExit(never());
    await clock.advance(5000);
    if (isKilled) pod.files.texts.set("/proc/vmstat", "nr_free_pages 12\noom_kill 8\n");
    pod.end(pid);
    pod.files.texts.delete(events);
    await clock.advance(200);
    assert.equal((await exit).reason, isKilled ? "OOMKilled" : undefined);
  });
}

Deno.test("process watcher: a main that is chosen while its runtime shows is looked at again as soon as it is itself", async () => {
  const { pod, clock, watcher } = scene({ command: { watchContainerId: MAIN.id } });
  const pid = pod.start(MAIN, "runc:[2:INIT]");
  const exit = watcher.waitForExit(never());
  await clock.advance(200);
  assert.match(watcher.describe(), /program "runc/);
  const events = `/proc/${pid}/root/sys/fs/cgroup/memory.events`;
  pod.files.texts.set(`/proc/${pid}/stat`, stat(pid, "python3", { parentPid: 0 })).set(
    events,
    "oom_kill 0\n",
  );
  await clock.advance(200);
  assert.match(watcher.describe(), /program "python3"/);
  pod.files.texts.set(events, "oom_kill 1\n");
  pod.end(pid);
  await clock.advance(200);
  assert.equal((await exit).reason, "OOMKilled");
  assert.equal((await watcher.waitForExit(never())).reason, "OOMKilled");
});

Deno.test("process watcher: while main runs one small file is read five times a second, and all now and then", async () => {
  const { pod, clock, watcher } = scene();
  pod.start(MAIN, "sh");
  for (let n = 0; n < 20; n++) pod.start({ id: containerId("c") }, "worker", 100 + n);
  const controller = new AbortController();
  const exit = fails(watcher.waitForExit(controller.signal), "aborted", /cancelled/);
  await clock.advance(15_000);
  pod.files.reads.length = 0;
  await clock.advance(60_000);
  controller.abort();
  await exit;
  const ofMain = pod.files.reads.filter((path) => path === "/proc/6/stat").length;
  assert(ofMain >= 300 && ofMain <= 340, String(ofMain));
  assert.equal(pod.files.reads.filter((path) => !path.endsWith("/stat")).length, 0);
  assert(pod.files.reads.length < 700, String(pod.files.reads.length));
});

Deno.test("process watcher: with a handle of the kernel's main's end is known at once, and little is read before", async () => {
  const processes = new FakeProcesses();
  const { pod, clock, watcher } = scene({ openProcess: processes.open });
  const pid = pod.start(MAIN, "sh");
  let exit: Exit | null = null;
  const wait = watcher.waitForExit(never()).then((value) => exit = value);
  await clock.advance(15_000);
  pod.files.reads.length = 0;
  await clock.advance(60_000);
  assert(pod.files.reads.length <= 12 * 4, String(pod.files.reads.length));
  pod.end(pid);
  processes.end(pid, 0);
  await clock.advance(1);
  assert.deepEqual((exit as Exit | null)?.outcome, "ended");
  await wait;
  watcher.close();
  assert.equal(processes.count, 0);
});

Deno.test("process watcher: once main is known no other container is held", async () => {
  const processes = new FakeProcesses();
  const { pod, clock, watcher } = scene({ openProcess: processes.open });
  const other = pod.start({ id: containerId("b") }, "proxy");
  const main = pod.start(MAIN, "sh");
  const start = watcher.waitForStart(never());
  await clock.advance(20);
  assert(processes.isHeld(other) && processes.isHeld(main));
  await clock.advance(2000);
  await start;
  const controller = new AbortController();
  const exit = fails(watcher.waitForExit(controller.signal), "aborted", /cancelled/);
  await clock.advance(100);
  assert(!processes.isHeld(other) && processes.isHeld(main));
  controller.abort();
  await exit;
});

Deno.test("process watcher: how main ended is known even where it was gone before it was known to be main", async () => {
  const processes = new FakeProcesses();
  const { pod, clock, watcher } = scene({ openProcess: processes.open });
  pod.start({ id: containerId("b") }, "proxy");
  const pid = pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(50);
  pod.end(pid);
  processes.end(pid, 3 << 8);
  await clock.advance(2000);
  const { outcome, exitCode, reason } = await exit;
  assert.deepEqual({ outcome, exitCode, reason }, { outcome: "failed", exitCode: 3, reason: "Error" });
  watcher.close();
  assert.equal(processes.count, 0);
});

Deno.test("process watcher: an exit code that is not told yet is waited for, but not for long", async () => {
  for (const [status, expected] of [[9, 137], ["pending", undefined], [null, undefined]] as const) {
    const processes = new FakeProcesses();
    const { pod, clock, watcher } = scene({ openProcess: processes.open });
    const pid = pod.start(MAIN, "sh");
    const exit = watcher.waitForExit(never());
    await clock.advance(2000);
    pod.end(pid);
    processes.end(pid, "pending");
    // A busy node's runtime takes seconds to note an end.
    await clock.advance(5000);
    if (status !== "pending") processes.end(pid, status);
    await clock.advance(5000);
    assert.equal((await exit).exitCode, expected);
  }
});

Deno.test("process watcher: a handle on another process that took the pid is let go", async () => {
  const processes = new FakeProcesses();
  const { pod, clock, watcher } = scene({
    openProcess(pid) {
      pod.files.texts.set(
        `/proc/${pid}/stat`,
        stat(pid, "sh", { parentPid: 0 }).replace(/ \d+ 0 0$/, " 77 0 0"),
      );
      return processes.open(pid);
    },
  });
  const pid = pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(2000);
  assert.equal(processes.isHeld(pid), false);
  assert.equal((await exit).exitCode, undefined);
});

Deno.test("process watcher: where a handle fails main is looked at as without one", async () => {
  const processes = new FakeProcesses();
  const { pod, clock, watcher } = scene({ openProcess: processes.open });
  const pid = pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(2000);
  processes.fail(pid);
  await clock.advance(1000);
  pod.end(pid);
  await clock.advance(500);
  assert.equal((await exit).outcome, "ended");
});

Deno.test("process watcher: the exit code is not waited for once two seconds are all that is left", async () => {
  const processes = new FakeProcesses();
  const { pod, clock, context, watcher } = scene({ openProcess: processes.open });
  const pid = pod.start(MAIN, "sh");
  const exit = watcher.waitForExit(never());
  await clock.advance(2000);
  pod.end(pid);
  processes.end(pid, "pending");
  context.terminations.deliver();
  context.terminations.deliver();
  await clock.advance(200);
  assert.equal((await exit).exitCode, undefined);
});

Deno.test("process watcher: where everybody has one root, it does not say that a runtime is still at work", async () => {
  const { pod, clock, watcher } = scene();
  const own = pod.files.texts.get("/proc/self/mountinfo")!;
  pod.files.texts.set("/proc/1/mountinfo", mountinfo({ id: "own" }));
  const pid = pod.start(MAIN, "sh");
  pod.files.texts.set(`/proc/${pid}/mountinfo`, own);
  const start = watcher.waitForStart(never());
  await clock.advance(1500);
  await start;
  assert.match(watcher.describe(), /found by its volume/);
});
