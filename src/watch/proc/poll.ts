/**
 * Watching main as a pure function: a state and a look at the processes give the next state.
 * @module
 */
import { type Choice, choose, type Rules, sharers } from "./choose.ts";
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
  /** A container that came after main was chosen and makes the choice doubtful. */
  rival: string | null;
}

/** Before the first look. */
export const UNSEEN: WatchState = { phase: "waiting", containers: new Map(), main: null, rival: null };

/**
 * The state after one more look. Main, once chosen, stays main, and an end is final.
 */
export function step(state: WatchState, look: Look, rules: Rules): WatchState {
  if (state.phase === "ended") return state;
  const containers = updateContainers(state.containers, look, rules.graceMs);
  const main = state.main ?? choose(containers, look, rules);
  if (main === null) return { phase: "waiting", containers, main, rival: null };
  const container = containers.get(main.id);
  const isOver = container === undefined || container.end?.isComplete === true;
  const rival = main.by === "volume"
    ? sharers(containers.values(), rules).find(({ id }) => id !== main.id)?.id ?? null
    : null;
  return { phase: isOver ? "ended" : "running", containers, main, rival };
}

/** Main, once it is known. */
export function mainOf(state: WatchState): Container | null {
  return state.main === null ? null : state.containers.get(state.main.id) ?? null;
}
