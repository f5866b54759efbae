/**
 * Watching main as a pure function: a state and a look at the processes give the next state.
 *
 * Where two readings of what was seen remain, main has not ended: a container that may have been an init container is waited for
 * another to take its place, and of two that may be main both are waited for.
 * @module
 */
import { type Choice, choose, named, type Rules, sharers } from "./choose.ts";
import { type Container, type ProcessRecord, updateContainers } from "./containers.ts";

/** All processes of other containers at one moment. */
export interface Look {
  processes: readonly ProcessRecord[];
  /** On a clock that never jumps. */
  nowMs: number;
  /** The pod is being stopped, so no container will come any more. */
  isFinal: boolean;
}

/** What is known after a number of looks. */
export interface WatchState {
  /** `waiting`: main is not known. `running`: its first process runs. `ended`: main has ended, for good. */
  phase: "waiting" | "running" | "ended";
  containers: ReadonlyMap<string, Container>;
  main: Choice | null;
  /** A container that came with main and may be it as well. */
  rival: string | null;
  /** Containers that were taken for main until another took their place: init containers. */
  passed: ReadonlySet<string>;
}

/** Before the first look. */
export const UNSEEN: WatchState = {
  phase: "waiting",
  containers: new Map(),
  main: null,
  rival: null,
  passed: new Set(),
};

/**
 * The state after one more look. Main, once chosen, stays main unless another turns out to be it, and an end is final.
 */
export function step(state: WatchState, look: Look, rules: Rules): WatchState {
  if (state.phase === "ended") return state;
  const containers = updateContainers(state.containers, look, rules.graceMs);
  const passed = passedBy({ ...state, containers }, rules);
  const kept = state.main !== null && !passed.has(state.main.id) ? state.main : null;
  const main = kept === null
    ? choose(containers, { ...look, passed }, rules)
    : isGiven(kept)
    ? kept
    : named(containers, rules) ?? kept;
  const waiting = { phase: "waiting", containers, main, rival: null, passed } as const;
  if (main === null) return waiting;
  const rival = rivalOf(main, containers, rules);
  const next = { ...waiting, rival };
  return { ...next, phase: isOver(next, look, rules) ? "ended" : "running" };
}

/** Main, once it is known. */
export function mainOf(state: WatchState): Container | null {
  return state.main === null ? null : state.containers.get(state.main.id) ?? null;
}

function isGiven({ by }: Choice): boolean {
  return by === "id" || by === "name";
}

/** With main, if it has ended and another container that may be main has begun since: then it was an init container. */
function passedBy(state: WatchState, rules: Rules): ReadonlySet<string> {
  const main = mainOf(state);
  if (main?.end?.isComplete !== true || !mayBeInit(state, rules)) return state.passed;
  const successor = possibleSuccessors(state, rules).some(({ first }) =>
    first.startTicks > main.first.startTicks
  );
  return successor ? new Set([...state.passed, main.id]) : state.passed;
}

/** Containers that may be main in the place of the one that is taken for it. */
function possibleSuccessors({ containers, main, passed }: WatchState, rules: Rules): Container[] {
  return sharers(containers.values(), rules).filter(({ id, end }) =>
    id !== main?.id && !passed.has(id) && end === null
  );
}

/**
 * Whether main may be an init container: one of kubelet's, which alone runs them beside a sidecar, that came after this one and was
 * not asked for by name or id.
 */
function mayBeInit(state: WatchState, rules: Rules): boolean {
  const main = mainOf(state);
  return main !== null && !isGiven(state.main!) && (main.evidence?.name ?? null) !== null &&
    main.first.startTicks > rules.ownStartTicks;
}

/** Something came after this container, ended, and main came after that: an init container, so this one is a native sidecar. */
function isNative({ containers }: WatchState, main: Container, rules: Rules): boolean {
  return [...containers.values()].some(({ first, end }) =>
    end?.isComplete === true && first.startTicks > rules.ownStartTicks &&
    first.startTicks < main.first.startTicks
  );
}

function isOver(state: WatchState, look: Look, rules: Rules): boolean {
  const main = mainOf(state);
  if (main === null) return true;
  if (main.end?.isComplete !== true) return false;
  if (look.isFinal) return true;
  const rival = state.rival === null ? undefined : state.containers.get(state.rival);
  if (rival !== undefined && rival.end?.isComplete !== true) return false;
  if (!mayBeInit(state, rules)) return true;
  const waitMs = isNative(state, main, rules) ? rules.nativeSuccessorMs : rules.successorMs;
  return look.nowMs - main.end.sinceMs >= waitMs;
}

/** Another container that mounts the volume and came with main. */
function rivalOf(
  main: Choice,
  containers: ReadonlyMap<string, Container>,
  rules: Rules,
): string | null {
  const firstSeenMs = containers.get(main.id)?.firstSeenMs;
  if (main.by !== "volume" || firstSeenMs === undefined) return null;
  return sharers(containers.values(), rules).find((one) =>
    one.id !== main.id && one.firstSeenMs >= firstSeenMs && one.firstSeenMs - firstSeenMs < rules.rivalMs
  )?.id ?? null;
}
