/**
 * Random lives of a pod for tests of the process watcher: containers come and go, programs fork, execs come in, pids are used again.
 * @module
 */
import type { ProcessRecord } from "../../src/watch/proc/containers.ts";

/** A small generator of pseudo-random numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A process's life in milliseconds. */
export interface Life {
  pid: number;
  containerId: string;
  parentPid: number;
  comm: string;
  fromMs: number;
  untilMs: number;
  /** How long it stays as a zombie afterwards. */
  zombieMs: number;
  /** How long it is its runtime's before it is itself. */
  initMs: number;
}

/** A pod's life. */
export interface History {
  lives: Life[];
  /** Main's container and when its first process began and ended. */
  mainId: string;
  startMs: number;
  endMs: number;
  /** When the last process of main's container is gone. */
  overMs: number;
  /** The containers that mount the output volume. */
  sharers: Set<string>;
}

/** What a look at that moment shows. */
export function lookAt({ lives, sharers }: History, nowMs: number): ProcessRecord[] {
  return lives.filter(({ fromMs, untilMs, zombieMs }) => fromMs <= nowMs && nowMs < untilMs + zombieMs).map(
    (life) => {
      const isInit = nowMs < life.fromMs + life.initMs;
      return {
        pid: life.pid,
        // The kernel counts in hundredths of a second.
        startTicks: Math.floor(life.fromMs / 10),
        comm: isInit ? "runc:[2:INIT]" : life.comm,
        state: nowMs < life.untilMs ? "S" : "Z",
        parentPid: life.parentPid,
        threads: 1,
        containerId: life.containerId,
        isSettingUp: isInit,
        evidence: isInit
          ? null
          : { name: life.containerId, sharesVolume: sharers.has(life.containerId), isCopilot: false },
      };
    },
  );
}

/** How a random history is made. */
export interface HistoryOptions {
  /** Whether another container that mounts the volume may come, which makes main ambiguous. */
  isAmbiguous: boolean;
}

/** A random history: main, some containers beside it, their children, execs, orphans and zombies. */
export function randomHistory(random: () => number, { isAmbiguous }: HistoryOptions): History {
  const between = (from: number, to: number) => Math.floor(from + random() * (to - from));
  const lives: Life[] = [];
  let nextPid = 10;
  // A small range makes pids come again soon after they were free.
  const pid = (fromMs: number) => {
    for (;;) {
      nextPid = nextPid >= 60 ? 10 : nextPid + 1;
      if (!lives.some((life) => life.pid === nextPid && life.untilMs + life.zombieMs + 20 > fromMs)) {
        return nextPid;
      }
    }
  };
  const container = (containerId: string, fromMs: number, untilMs: number): number => {
    const initMs = between(5, 60);
    const first: Life = {
      pid: pid(fromMs),
      containerId,
      parentPid: 0,
      comm: containerId,
      fromMs,
      untilMs,
      zombieMs: 0,
      initMs,
    };
    first.untilMs = Math.max(untilMs, fromMs + initMs + 1);
    if (random() < 0.3) first.zombieMs = between(1, 50);
    lives.push(first);
    let overMs = first.untilMs;
    for (let n = between(0, 4); n > 0; n--) {
      const bornMs = between(fromMs + initMs + 20, Math.max(fromMs + initMs + 21, first.untilMs));
      if (bornMs >= first.untilMs) continue;
      const isExec = random() < 0.4;
      // The runtime kills what is left a moment after the first process is gone.
      const diesMs = Math.min(bornMs + between(1, 3000), first.untilMs + between(0, 300));
      overMs = Math.max(overMs, diesMs);
      const initOfExec = isExec ? Math.min(between(5, 60), Math.max(0, diesMs - bornMs - 1)) : 0;
      lives.push({
        pid: pid(bornMs),
        containerId,
        parentPid: isExec ? 0 : first.pid,
        comm: "child",
        fromMs: bornMs,
        untilMs: diesMs,
        zombieMs: 0,
        initMs: initOfExec,
      });
    }
    return overMs;
  };
  const startMs = between(0, 8000);
  const overMs = container("main", startMs, startMs + between(1, random() < 0.5 ? 100 : 10_000));
  const first = lives.find(({ containerId }) => containerId === "main")!;
  const sharers = new Set(["main"]);
  for (let n = between(0, 4); n > 0; n--) {
    const fromMs = between(0, 12_000);
    container(`other${n}`, fromMs, fromMs + between(1, 20_000));
    if (isAmbiguous && random() < 0.5) sharers.add(`other${n}`);
  }
  return { lives, mainId: "main", startMs, endMs: first.untilMs, overMs, sharers };
}
