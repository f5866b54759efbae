/**
 * From processes to containers: who is there, which process came first, which containers have ended.
 * @module
 */
import { isRunning, isSame, type ProcessIdentity, type ProcessStat } from "./stat.ts";

/** What a container's mounts tell. */
export interface MountEvidence {
  /** The name in the pod's spec, where kubelet's mounts show it. */
  name: string | null;
  /** Whether the container mounts the directory that is to be uploaded. */
  sharesVolume: boolean;
  /** Whether it runs another copilot: a downloader shares volumes with main, and is not it. */
  isCopilot: boolean;
}

/** A process of some container. */
export interface ProcessRecord extends ProcessStat {
  containerId: string;
  /** Null where the mounts could not be read, or were not the container's own yet. */
  evidence: MountEvidence | null;
  /** Whether the process may still be the runtime that sets the container up, so that its program and mounts are not final. */
  isSettingUp: boolean;
}

/** A container as it has been seen so far. */
export interface Container {
  id: string;
  evidence: MountEvidence | null;
  /** The first process: when it ends, the container has ended. An exec comes later and does not count. */
  first: ProcessIdentity;
  /** The first process's program, as last seen. */
  program: string;
  /** Whether the first process may still be the container's runtime. */
  isSettingUp: boolean;
  firstSeenMs: number;
  end: ContainerEnd | null;
}

/** How far a container's end has come. */
export interface ContainerEnd {
  /** When the first process was seen to be gone. */
  sinceMs: number;
  /** Processes that were there before and still run: the runtime is about to kill them. */
  survivors: readonly ProcessIdentity[];
  /** Nothing of the container runs any more, or the grace is over. */
  isComplete: boolean;
}

/** Containers that are remembered; of more, those that ended first are forgotten. */
export const MAX_CONTAINERS = 256;

/**
 * Brings the containers up to date with a look at all processes.
 *
 * @param graceMs how long processes that outlive a container's first one are waited for
 */
export function updateContainers(
  known: ReadonlyMap<string, Container>,
  look: { processes: readonly ProcessRecord[]; nowMs: number },
  graceMs: number,
): Map<string, Container> {
  const running = new Map<string, ProcessRecord[]>();
  for (const process of look.processes) {
    if (!isRunning(process)) continue;
    const group = running.get(process.containerId);
    if (group === undefined) running.set(process.containerId, [process]);
    else group.push(process);
  }
  const containers = new Map<string, Container>();
  for (const container of known.values()) {
    containers.set(container.id, next(container, running.get(container.id) ?? [], look.nowMs, graceMs));
  }
  for (const [id, group] of running) {
    if (!known.has(id)) containers.set(id, discovered(id, group, look.nowMs));
  }
  return forgetOldest(containers);
}

function oldest(group: readonly ProcessRecord[]): ProcessRecord {
  return group.reduce((a, b) =>
    b.startTicks < a.startTicks || (b.startTicks === a.startTicks && b.pid < a.pid) ? b : a
  );
}

/** The mounts belong to the container, so any process of it will do. */
function evidenceOf(group: readonly ProcessRecord[], first?: ProcessRecord): MountEvidence | null {
  return first?.evidence ?? group.find(({ evidence }) => evidence !== null)?.evidence ?? null;
}

function identity({ pid, startTicks }: ProcessIdentity): ProcessIdentity {
  return { pid, startTicks };
}

function discovered(id: string, group: readonly ProcessRecord[], nowMs: number): Container {
  const first = oldest(group);
  return {
    id,
    evidence: evidenceOf(group, first),
    first: identity(first),
    program: first.comm,
    isSettingUp: first.isSettingUp,
    firstSeenMs: nowMs,
    end: null,
  };
}

function next(
  container: Container,
  group: readonly ProcessRecord[],
  nowMs: number,
  graceMs: number,
): Container {
  if (container.end?.isComplete) return container;
  const first = group.find((process) => isSame(process, container.first));
  if (first !== undefined && container.end === null) {
    const evidence = evidenceOf(group, first) ?? container.evidence;
    const { comm: program, isSettingUp } = first;
    const isNews = program !== container.program || isSettingUp !== container.isSettingUp;
    return isNews || evidence !== container.evidence
      ? { ...container, evidence, program, isSettingUp }
      : container;
  }
  const sinceMs = container.end?.sinceMs ?? nowMs;
  const before = container.end?.survivors ?? group;
  const survivors = before.filter((one) => group.some((process) => isSame(process, one))).map(identity);
  return {
    ...container,
    evidence: evidenceOf(group) ?? container.evidence,
    end: { sinceMs, survivors, isComplete: survivors.length === 0 || nowMs - sinceMs >= graceMs },
  };
}

function forgetOldest(containers: Map<string, Container>): Map<string, Container> {
  for (const { id, end } of containers.values()) {
    if (containers.size <= MAX_CONTAINERS) break;
    if (end?.isComplete) containers.delete(id);
  }
  return containers;
}
