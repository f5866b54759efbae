/** Main found, watched and ended, as a pure function over looks at the processes. */
import assert from "assert";
import { type Rules, SETTLING, type Sign } from "../../../src/watch/proc/choose.ts";
import type { MountEvidence, ProcessRecord } from "../../../src/watch/proc/containers.ts";
import { describeState } from "../../../src/watch/proc/describe.ts";
import { mainOf, step, UNSEEN, type WatchState } from "../../../src/watch/proc/poll.ts";
import { lookAt, randomHistory, seeded } from "../../support/watch_histories.ts";

const RULES: Rules = {
  containerId: null,
  name: null,
  podName: null,
  ownStartTicks: Infinity,
  ownId: "own",
  pauseId: "pause",
  isVolume: true,
  ...SETTLING,
};

const SHARING: MountEvidence = { name: null, sharesVolume: true, isCopilot: false };
const APART: MountEvidence = { name: null, sharesVolume: false, isCopilot: false };

function process(containerId: string, pid: number, more: Partial<ProcessRecord> = {}): ProcessRecord {
  return {
    pid,
    startTicks: pid,
    comm: containerId,
    state: "S",
    parentPid: 0,
    threads: 1,
    containerId,
    evidence: SHARING,
    isSettingUp: false,
    ...more,
  };
}

/** The state after looks at these times. */
function after(
  looks: [atMs: number, processes: ProcessRecord[], isFinal?: boolean][],
  rules: Partial<Rules> = {},
): WatchState {
  return looks.reduce<WatchState>(
    (state, [nowMs, processes, isFinal = false]) =>
      step(state, { processes, nowMs, isFinal }, { ...RULES, ...rules }),
    UNSEEN,
  );
}

function told(state: WatchState): string {
  return `${state.phase} ${state.main?.id ?? "-"} ${state.main?.by ?? "-"}`;
}

const pause = process("pause", 1, { evidence: APART });
const own = process("own", 5);

Deno.test("main: an id wins over a name, at once, and may be its beginning", () => {
  const named = process("abc", 7, { evidence: { name: "main", sharesVolume: true, isCopilot: false } });
  const wanted = process("abd", 8, { evidence: null });
  assert.equal(
    told(after([[0, [pause, own, named, wanted]]], { containerId: "abd", name: "main" })),
    "running abd id",
  );
  assert.equal(told(after([[0, [pause, named]]], { containerId: "ab" })), "running abc id");
});

Deno.test("main: a beginning of two ids names nobody", () => {
  const state = after([[0, [process("abc", 7), process("abd", 8)]], [9000, [
    process("abc", 7),
    process("abd", 8),
  ]]], {
    containerId: "ab",
  });
  assert.equal(told(state), "waiting - -");
});

Deno.test("main: an id may even be the pause process's container, when that is where main runs", () => {
  assert.equal(told(after([[0, [pause, own]]], { containerId: "pause" })), "running pause id");
});

Deno.test("main: a name is matched through the mounts, at once, and nothing else will do", () => {
  const main = process("m", 7, { evidence: { name: "main", sharesVolume: false, isCopilot: false } });
  const other = process("o", 8, { evidence: { name: "other", sharesVolume: true, isCopilot: false } });
  assert.equal(told(after([[0, [pause, own, other, main]]], { name: "main" })), "running m name");
  assert.equal(told(after([[0, [pause, own, other]], [60_000, [other]]], { name: "main" })), "waiting - -");
});

Deno.test("main: a container that is started again under its name is the one that counts", () => {
  const evidence = { name: "main", sharesVolume: true, isCopilot: false };
  const first = process("m1", 7, { evidence });
  const second = process("m2", 9, { evidence });
  const other = process("x", 8, { evidence: APART });
  assert.equal(
    told(after([[0, [other]], [10, [other, first, second]]], { name: "main" })),
    "running m2 name",
  );
});

Deno.test("main: the only container that mounts the volume, once it had time to be joined", () => {
  const main = process("m", 7);
  const proxy = process("proxy", 6, { evidence: APART });
  assert.equal(told(after([[0, [pause, own, proxy, main]]])), "waiting - -");
  assert.equal(
    told(after([[0, [pause, own, proxy, main]], [500, [pause, own, proxy, main]]])),
    "running m volume",
  );
});

Deno.test("main: two containers that mount the volume leave it open, however long", () => {
  const both = [process("m", 7), process("logs", 8)];
  const state = after([[0, both], [60_000, both]]);
  assert.equal(told(state), "waiting - -");
  assert.match(describeState(state, RULES), /more than one mounts the output volume; --watch-container NAME/);
});

Deno.test("main: a second one that comes with it may be main as well, so the end of both is waited for", () => {
  const main = process("m", 7);
  const logs = process("logs", 8);
  const looks: [number, ProcessRecord[]][] = [[0, [main]], [600, [main]], [700, [main, logs]]];
  assert.equal(after(looks).rival, "logs");
  assert.equal(told(after([...looks, [2000, [logs]], [60_000, [logs]]])), "running m volume");
  assert.equal(told(after([...looks, [2000, [logs]], [3000, []]])), "ended m volume");
  assert.equal(told(after([...looks, [2000, [logs]], [3000, [logs], true]])), "ended m volume");
  const apart = after([[0, [main]], [600, [main]], [700, [main, process("debug", 8, { evidence: APART })]]]);
  assert.equal(apart.rival, null);
});

Deno.test("main: a container that mounts the volume and comes long after main is a debug container", () => {
  const main = process("m", 7);
  const debug = process("debug", 8);
  const looks: [number, ProcessRecord[]][] = [[0, [main]], [600, [main]], [11_000, [main, debug]]];
  assert.equal(after(looks).rival, null);
  assert.equal(told(after([...looks, [12_000, [debug]]])), "ended m volume");
});

const KUBELETS: MountEvidence = { ...SHARING, name: "prepare" };

Deno.test("main: a container of kubelet's that is younger than the sidecar may be an init container when it ends", () => {
  const rules = { ownStartTicks: 5 };
  const init = process("i", 7, { evidence: KUBELETS });
  const main = process("m", 9, { evidence: { ...SHARING, name: "main" } });
  const looks: [number, ProcessRecord[], boolean?][] = [[0, [init]], [600, [init]], [2000, []]];
  assert.equal(told(after([...looks, [11_000, []]], rules)), "running i volume");
  // Another takes its place.
  const replaced = after([...looks, [8000, [main]], [9000, [main]]], rules);
  assert.equal(told(replaced), "running m volume");
  assert.deepEqual([...replaced.passed], ["i"]);
  // Nobody does, or the pod is being stopped: it was main.
  assert.equal(told(after([...looks, [12_100, []]], rules)), "ended i volume");
  assert.equal(told(after([...looks, [3000, [], true]], rules)), "ended i volume");
  // Where the sidecar is younger, or no kubelet has named the container, there is no second reading.
  assert.equal(told(after(looks)), "ended i volume");
  const unnamed = process("i", 7);
  assert.equal(told(after([[0, [unnamed]], [600, [unnamed]], [2000, []]], rules)), "ended i volume");
});

Deno.test("main: in a native sidecar for certain the successor of an init container is waited for longer", () => {
  const download = process("d", 6, { evidence: { ...KUBELETS, isCopilot: true } });
  const init = process("i", 7, { evidence: KUBELETS });
  const looks: [number, ProcessRecord[]][] = [[0, [download]], [900, [init]], [1500, [init]], [3000, []]];
  assert.equal(told(after([...looks, [60_000, []]], { ownStartTicks: 5 })), "running i volume");
  assert.equal(told(after([...looks, [63_100, []]], { ownStartTicks: 5 })), "ended i volume");
});

Deno.test("main: the container with the pod's name is main, also after another was taken for it", () => {
  const init = process("i", 7, { evidence: KUBELETS });
  const main = process("m", 9, { evidence: { ...SHARING, name: "f1-n0-0" } });
  const rules = { ownStartTicks: 5, podName: "f1-n0-0" };
  const looks: [number, ProcessRecord[]][] = [[0, [init]], [600, [init]], [700, [init, main]]];
  assert.equal(told(after(looks, rules)), "running m name");
  assert.equal(told(after([...looks, [900, []]], rules)), "ended m name");
  // A name that was asked for is not replaced by the pod's.
  assert.equal(told(after(looks, { ...rules, name: "other" })), "waiting - -");
});

Deno.test("main: a copilot beside us is never main, not even as its runtime shows first", () => {
  const init = process("d", 7, { comm: "3", evidence: null, isSettingUp: true });
  const copilot = process("d", 7, { comm: "copilot", evidence: { ...SHARING, isCopilot: true } });
  assert.equal(
    told(after([[0, [init]], [5000, [init]], [5100, [copilot]], [9000, [copilot]]])),
    "waiting - -",
  );
});

Deno.test("main: a program that is only called copilot or runc is main", () => {
  for (const comm of ["copilot", "runc", "crun"]) {
    const main = process("m", 7, { comm });
    assert.equal(told(after([[0, [main]], [600, [main]]])), "running m volume");
  }
});

Deno.test("main: without a volume the only container, once it stayed the only one", () => {
  const main = process("m", 7, { evidence: APART });
  const rules = { isVolume: false };
  assert.equal(told(after([[0, [pause, own, main]], [2999, [main]]], rules)), "waiting - -");
  assert.equal(told(after([[0, [pause, own, main]], [3000, [main]]], rules)), "running m only");
  const mesh = process("proxy", 6, { evidence: APART });
  assert.equal(told(after([[0, [mesh]], [2000, [mesh, main]], [9000, [mesh, main]]], rules)), "waiting - -");
});

Deno.test("main: the only container is not main when it does not mount the volume", () => {
  const proxy = process("proxy", 6, { evidence: APART });
  const state = after([[0, [proxy]], [60_000, [proxy]]]);
  assert.equal(told(state), "waiting - -");
  assert.match(
    describeState(state, RULES),
    /containers seen: \(id proxy, program "proxy"\); none mounts the output volume/,
  );
});

Deno.test("main: when the pod is being stopped nothing has to settle", () => {
  assert.equal(told(after([[0, [process("m", 7)], true]])), "running m volume");
  assert.equal(told(after([[0, [process("m", 7)]], [20, [], true]])), "ended m volume");
});

Deno.test("main: unknown names are told with those that were seen", () => {
  const state = after([[0, [
    process("0123456789abcdef", 7, {
      comm: "e\x1b[vil",
      evidence: { name: "web", sharesVolume: true, isCopilot: false },
    }),
  ]]], {
    name: "mian",
  });
  assert.equal(
    describeState(state, { ...RULES, name: "mian" }),
    `containers seen: "web" (id 0123456789ab, program "e?[vil"); none is named "mian" (--watch-container)`,
  );
  const nameless = after([[0, [process("0123456789abcdef", 7)]]], { name: "main" });
  assert.match(
    describeState(nameless, { ...RULES, name: "main" }),
    /none shows its name.*--watch-container-id/,
  );
  assert.equal(describeState(UNSEEN, RULES), "no other container was seen");
});

const ENDS: [name: string, looks: [number, ProcessRecord[]][], expected: string][] = [
  ["its only process is gone", [[0, [process("m", 7)]], [100, []]], "ended"],
  ["its pid belongs to a later process of the same container", [[0, [process("m", 7)]], [100, [
    process("m", 7, { startTicks: 99 }),
  ]], [1100, [process("m", 7, { startTicks: 99 })]]], "ended"],
  ["its pid belongs to another container", [[0, [process("m", 7)]], [100, [
    process("x", 7, { startTicks: 99 }),
  ]]], "ended"],
  [
    "its first process is a zombie",
    [[0, [process("m", 7)]], [100, [process("m", 7, { state: "Z" })]]],
    "ended",
  ],
  ["its first thread ended, others run", [[0, [process("m", 7)]], [100, [
    process("m", 7, { state: "Z", threads: 3 }),
  ]]], "running"],
  ["an exec came and ended", [[0, [process("m", 7)]], [100, [process("m", 7), process("m", 8)]], [200, [
    process("m", 7),
  ]]], "running"],
  ["an exec outlives the first process for a moment", [[0, [process("m", 7), process("m", 8)]], [100, [
    process("m", 8),
  ]]], "running"],
  ["the exec is killed by the runtime", [[0, [process("m", 7), process("m", 8)]], [100, [process("m", 8)]], [
    260,
    [],
  ]], "ended"],
  ["what is left does not end within the grace", [[0, [process("m", 7), process("m", 8)]], [100, [
    process("m", 8),
  ]], [1100, [process("m", 8)]]], "ended"],
  ["an orphan of it is left for a moment", [[0, [process("m", 7), process("m", 8, { parentPid: 1 })]], [100, [
    process("m", 8, { parentPid: 1 }),
  ]], [300, []]], "ended"],
  ["its runtime became its program", [[0, [process("m", 7, { comm: "runc:[2:INIT]" })]], [40, [
    process("m", 7),
  ]]], "running"],
];

for (const [name, looks, expected] of ENDS) {
  Deno.test(`end: ${name}: ${expected}`, () => {
    assert.equal(after(looks, { containerId: "m" }).phase, expected);
  });
}

Deno.test("end: the first process is the oldest, whatever the order of pids and of the listing", () => {
  const looks: [number, ProcessRecord[]][] = [
    [0, [process("m", 3, { startTicks: 50 }), process("m", 40, { startTicks: 20 })]],
    [100, [process("m", 3, { startTicks: 50 })]],
  ];
  const state = after(looks, { containerId: "m" });
  assert.equal(mainOf(state)?.first.pid, 40);
  assert.equal(mainOf(state)?.end?.sinceMs, 100);
});

Deno.test("end: final, whatever comes later", () => {
  const state = after(
    [[0, [process("m", 7)]], [100, []], [200, [process("m", 7)]], [300, [process("m", 9)]]],
    { containerId: "m" },
  );
  assert.equal(state.phase, "ended");
});

Deno.test("a pod whose containers come without end needs no more and more memory", () => {
  let state = UNSEEN;
  for (let n = 0; n < 2000; n++) {
    state = step(state, {
      processes: [process(`c${n}`, n + 2, { evidence: APART })],
      nowMs: n * 100,
      isFinal: false,
    }, RULES);
  }
  assert(state.containers.size <= 257, String(state.containers.size));
});

const SIGNS: { by: Sign; rules: Partial<Rules>; settleMs: number }[] = [
  { by: "id", rules: { containerId: "main" }, settleMs: 0 },
  { by: "name", rules: { name: "main" }, settleMs: 0 },
  { by: "volume", rules: {}, settleMs: SETTLING.volumeSettleMs },
];

for (const { by, rules, settleMs } of SIGNS) {
  Deno.test(`random pods, main known by its ${by}: never ended before it ended, always soon after`, () => {
    for (let seed = 1; seed <= 1500; seed++) {
      const random = seeded(seed);
      const history = randomHistory(random, { isAmbiguous: false });
      const pollMs = 1 + Math.floor(random() * 100);
      let state = UNSEEN;
      let endedMs = Infinity;
      let wasLookedAt = false;
      let hadSign = false;
      for (
        let nowMs = Math.floor(random() * pollMs);
        nowMs < 45_000 && endedMs === Infinity;
        nowMs += pollMs
      ) {
        const processes = lookAt(history, nowMs);
        const ofMain = processes.filter((one) => one.containerId === "main" && one.state === "S");
        wasLookedAt ||= ofMain.length > 0;
        hadSign ||= ofMain.some(({ evidence }) => by === "id" || evidence !== null);
        state = step(state, { processes, nowMs, isFinal: false }, { ...RULES, ...rules });
        if (state.main !== null) assert.equal(state.main.id, "main", `seed ${seed}: wrong main at ${nowMs}`);
        if (state.phase !== "waiting") {
          assert(nowMs >= history.startMs, `seed ${seed}: started at ${nowMs}, before main`);
        }
        if (state.phase === "ended") {
          endedMs = nowMs;
        }
      }
      assert(endedMs >= history.endMs, `seed ${seed}: ended at ${endedMs}, main ended at ${history.endMs}`);
      // A main that came and went between two looks cannot be known; one that showed no sign may be left open.
      if (!wasLookedAt) {
        assert.equal(endedMs, Infinity, `seed ${seed}: the end of a main that was never seen`);
      }
      if (!hadSign) continue;
      const latestMs = Math.max(history.overMs + 60, history.startMs + settleMs + 130) + 2 * pollMs;
      assert(endedMs <= latestMs, `seed ${seed}: ended at ${endedMs}, expected by ${latestMs}`);
    }
  });
}

Deno.test("random pods in which several containers mount the volume: never an end before main ended while nobody else is taken for main", () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const history = randomHistory(seeded(seed), { isAmbiguous: true });
    let state = UNSEEN;
    for (let nowMs = 0; nowMs < 45_000 && state.phase !== "ended"; nowMs += 50) {
      state = step(state, { processes: lookAt(history, nowMs), nowMs, isFinal: false }, {
        ...RULES,
        name: "main",
      });
    }
    assert(
      state.main === null || state.main.id === "main",
      `seed ${seed}: the name decides, whoever mounts the volume`,
    );
  }
});

Deno.test("random pods without any sign: whoever is chosen was alone when it was chosen", () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const history = randomHistory(seeded(seed), { isAmbiguous: true });
    let state = UNSEEN;
    for (let nowMs = 0; nowMs < 45_000 && state.main === null; nowMs += 50) {
      state = step(state, { processes: lookAt(history, nowMs), nowMs, isFinal: false }, {
        ...RULES,
        isVolume: false,
      });
    }
    if (state.main === null) continue;
    const { by, id } = state.main;
    const like = [...state.containers.values()].filter(({ evidence }) =>
      by === "only" || evidence?.sharesVolume
    );
    assert.deepEqual(like.map((one) => one.id), [id], `seed ${seed}`);
  }
});
