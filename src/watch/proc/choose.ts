/**
 * Which of the pod's containers is main. It is never guessed: where the signs do not suffice, nobody is chosen.
 * @module
 */
import type { Container } from "./containers.ts";

/** What is known before the first look. */
export interface Rules {
  /** Main's id or its beginning, given by the user; wins over everything. */
  containerId: string | null;
  /** Main's name, given by the user. */
  name: string | null;
  /** The pod's name, which in Flyte's pods is main's as well. */
  podName: string | null;
  /** When the own process has started, in ticks since the machine's boot. */
  ownStartTicks: number;
  /** Ids of the own container and of the pause process's, which are never main unless their id was given. */
  ownId: string | null;
  pauseId: string | null;
  /** Whether the directory to be uploaded is a volume: then a container that does not mount it cannot be main. */
  isVolume: boolean;
  /** How long a container that mounts the volume must be the only one to do so. */
  volumeSettleMs: number;
  /** How long the only container must have stayed the only one: a service mesh's proxy often starts before main. */
  onlySettleMs: number;
  /** How long processes that outlive main's first one are waited for. */
  graceMs: number;
  /** A container that mounts the volume and comes so long after main is no second main: somebody debugs. */
  rivalMs: number;
  /** How long a container that may have been an init container is waited for another to take its place. */
  successorMs: number;
  /** The same where the own container is a native sidecar for certain, which is told main's end by SIGTERM. */
  nativeSuccessorMs: number;
}

/** Times that serve in every pod. */
export const SETTLING = {
  volumeSettleMs: 500,
  onlySettleMs: 3000,
  graceMs: 1000,
  rivalMs: 10_000,
  successorMs: 10_000,
  nativeSuccessorMs: 60_000,
} as const;

/** By which sign main was found. */
export type Sign = "id" | "name" | "volume" | "only";

/** Main. */
export interface Choice {
  id: string;
  by: Sign;
}

/** The containers that may be main where nobody says which it is. */
export function candidates(containers: Iterable<Container>, rules: Rules): Container[] {
  return [...containers].filter(({ id, evidence }) =>
    id !== rules.ownId && id !== rules.pauseId && !evidence?.isCopilot
  );
}

/** The containers that may be main as far as their mounts have been seen. */
export function possibleMains(containers: Iterable<Container>, rules: Rules): Container[] {
  return candidates(containers, rules).filter(({ evidence }) =>
    !rules.isVolume || evidence === null || evidence.sharesVolume
  );
}

/** The containers that mount the directory to be uploaded. */
export function sharers(containers: Iterable<Container>, rules: Rules): Container[] {
  return candidates(containers, rules).filter(({ evidence }) => evidence?.sharesVolume);
}

/** The container that was asked for by its id or name, or that has the pod's name. */
export function named(containers: ReadonlyMap<string, Container>, rules: Rules): Choice | null {
  const all = [...containers.values()];
  const { containerId, name, podName } = rules;
  if (containerId !== null) return sole(all.filter(({ id }) => id.startsWith(containerId)), "id");
  const wanted = name ?? podName;
  if (wanted === null) return null;
  // A name lives on when its container is started again; the last one counts.
  return sole(all.filter(({ evidence }) => evidence?.name === wanted).slice(-1), "name");
}

/**
 * Chooses main: by its id, else by its name, else as the one container that mounts the volume, else as the only container.
 *
 * @param look.passed containers that were there before main, and were not it
 * @param look.isFinal nothing more will come (the pod is being stopped), so nothing is left to settle
 * @returns null while it cannot be told
 */
export function choose(
  containers: ReadonlyMap<string, Container>,
  look: { nowMs: number; isFinal: boolean; passed: ReadonlySet<string> },
  rules: Rules,
): Choice | null {
  const given = named(containers, rules);
  if (given !== null || rules.containerId !== null || rules.name !== null) return given;
  const all = [...containers.values()].filter(({ id }) => !look.passed.has(id));
  const possible = candidates(all, rules);
  const settled = (sinceMs: number, waitMs: number) => look.isFinal || look.nowMs - sinceMs >= waitMs;
  // Before a container's program runs its mounts may not be its own yet, and nothing shows a copilot.
  if (possible.some(({ isSettingUp, end }) => isSettingUp && end === null)) return null;
  const sharing = sharers(possible, rules);
  if (sharing.length > 0) {
    return sharing.every(({ firstSeenMs }) => settled(firstSeenMs, rules.volumeSettleMs))
      ? sole(sharing, "volume")
      : null;
  }
  const unlikely = ({ evidence }: Container) => rules.isVolume && evidence !== null && !evidence.sharesVolume;
  if (possible.some(unlikely)) return null;
  return possible.every(({ firstSeenMs }) => settled(firstSeenMs, rules.onlySettleMs))
    ? sole(possible, "only")
    : null;
}

function sole(found: readonly Container[], by: Sign): Choice | null {
  return found.length === 1 ? { id: found[0]!.id, by } : null;
}
