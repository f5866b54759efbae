/**
 * Which of the pod's containers is main. It is never guessed: where the signs do not suffice, nobody is chosen.
 * @module
 */
import type { Container } from "./containers.ts";
import { isRuntimeInit } from "./stat.ts";

/** What is known before the first look. */
export interface Rules {
  /** Main's id or its beginning, given by the user; wins over everything. */
  containerId: string | null;
  /** Main's name, given by the user. */
  name: string | null;
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
}

/** Times that serve in every pod. */
export const SETTLING = { volumeSettleMs: 500, onlySettleMs: 3000, graceMs: 1000 } as const;

/** By which sign main was found. */
export type Sign = "id" | "name" | "volume" | "only";

/** Main. */
export interface Choice {
  id: string;
  by: Sign;
}

/** Names of this program: a downloader beside us shares volumes with main and is not it. */
const COPILOT = /^(flyte-)?copilot$/;

/** The containers that may be main where nobody says which it is. */
export function candidates(containers: Iterable<Container>, rules: Rules): Container[] {
  return [...containers].filter(({ id, program }) =>
    id !== rules.ownId && id !== rules.pauseId && !COPILOT.test(program)
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

/**
 * Chooses main: by its id, else by its name, else as the one container that mounts the volume, else as the only container.
 *
 * @param look.isFinal nothing more will come (the pod is being stopped), so nothing is left to settle
 * @returns null while it cannot be told
 */
export function choose(
  containers: ReadonlyMap<string, Container>,
  look: { nowMs: number; isFinal: boolean },
  rules: Rules,
): Choice | null {
  const all = [...containers.values()];
  if (rules.containerId !== null) {
    const wanted = rules.containerId;
    return sole(all.filter(({ id }) => id.startsWith(wanted)), "id");
  }
  if (rules.name !== null) {
    // A name lives on when its container is started again; the last one counts.
    const named = all.filter(({ evidence }) => evidence?.name === rules.name);
    return sole(named.slice(-1), "name");
  }
  const possible = candidates(all, rules);
  const settled = (sinceMs: number, waitMs: number) => look.isFinal || look.nowMs - sinceMs >= waitMs;
  // Before a container's program runs its mounts may not be its own yet, and its name does not show a copilot.
  if (possible.some(({ program, end }) => isRuntimeInit({ comm: program }) && end === null)) return null;
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
