/**
 * A pod as the Kubernetes API shows it, and what it says about main. Pure.
 * @module
 */
import { cannot } from "../../../errors.ts";
import type { Exit } from "../../watcher.ts";

/** The parts of a pod that are read; any of them may be missing. */
export interface Pod {
  metadata?: {
    name?: string;
    resourceVersion?: string;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
  };
  spec?: {
    restartPolicy?: string;
    terminationGracePeriodSeconds?: number;
    containers?: ContainerSpec[];
    initContainers?: ContainerSpec[];
  };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

interface ContainerSpec {
  name: string;
  /** Of this container; else the pod's holds. */
  restartPolicy?: string;
  command?: string[];
  args?: string[];
  resources?: { limits?: { memory?: string } };
}

interface ContainerStatus {
  name: string;
  state?: {
    waiting?: { reason?: string; message?: string };
    running?: unknown;
    terminated?: Terminated;
  };
  /** How the life before ended, where the container was started again or is about to be. */
  lastState?: { terminated?: Terminated };
}

interface Terminated {
  exitCode?: number;
  signal?: number;
  reason?: string;
  message?: string;
}

/** What a pod says about main. */
export type MainState =
  | { phase: "waiting"; detail: string }
  /** `last`: how it failed before, where kubelet has started it again or will do so. */
  | { phase: "running"; last?: Exit }
  | { phase: "ended"; exit: Exit }
  /** The pod is over and main never ran. */
  | { phase: "never"; why: string };

/** Annotations that name the main container: kubectl's, and Flyte's for pods with several containers. */
const ANNOTATIONS = ["kubectl.kubernetes.io/default-container", "primary_container_name"];

const BY = "kube-api";

/** Characters of a container's termination message that are told; kubelet keeps 4096 bytes of it. */
const MAX_MESSAGE = 4096;

/**
 * The name of the main container: the given one, else the annotated one, else the only one that is not a copilot.
 *
 * @throws CopilotError `config` that lists the pod's containers where it cannot be told
 */
export function mainName(pod: Pod, wanted: string | null): string {
  const containers = pod.spec?.containers ?? [];
  const all = [...containers, ...(pod.spec?.initContainers ?? [])].map(({ name }) => name);
  const pick = wanted ??
    ANNOTATIONS.map((key) => pod.metadata?.annotations?.[key]).find((name) => name !== undefined);
  if (pick !== undefined && all.includes(pick)) return pick;
  const list = all.map((name) => `"${name}"`).join(", ");
  if (wanted !== null) {
    throw cannot(`watch container "${wanted}" (--watch-container)`, {
      config: `the pod has no such container, expected one of ${list}`,
    });
  }
  const possible = containers.filter((one) => !isCopilot(one));
  if (possible.length === 1) return possible[0]!.name;
  throw cannot("tell which container is main", {
    config: `the pod has ${list}, expected --watch-container NAME`,
  });
}

/** Flyte names its copilots so; others are known by their arguments. */
function isCopilot({ name, command = [], args = [] }: ContainerSpec): boolean {
  if (name.startsWith("flyte-copilot-")) return true;
  return [...command, ...args].some((word) => /^--(from-local-dir|to-local-dir)(=|$)/.test(word));
}

/** What the pod says about its container of that name. */
export function mainState(pod: Pod, name: string): MainState {
  const { status = {} } = pod;
  const { state, lastState } = [
    ...(status.containerStatuses ?? []),
    ...(status.initContainerStatuses ?? []),
  ].find((one) => one.name === name) ?? {};
  const isPodOver = status.phase === "Failed" || status.phase === "Succeeded";
  if (state?.terminated !== undefined) {
    const exit = terminated(pod, name, state.terminated);
    const isFinal = isPodOver || exit.outcome === "ended" || !startsAgain(pod, name);
    return isFinal ? { phase: "ended", exit } : { phase: "running", last: exit };
  }
  if (isPodOver) return overWithout(pod, name, state?.running !== undefined);
  if (state?.running !== undefined) return { phase: "running" };
  // Between two lives, in kubelet's back-off.
  if (lastState?.terminated !== undefined && startsAgain(pod, name)) {
    return { phase: "running", last: terminated(pod, name, lastState.terminated) };
  }
  const { reason = status.phase ?? "no status yet", message = "" } = state?.waiting ?? {};
  return { phase: "waiting", detail: message === "" ? reason : `${reason}: ${message}` };
}

/** Whether kubelet starts a container that has failed again: not in a pod that is being deleted. */
function startsAgain({ metadata, spec }: Pod, name: string): boolean {
  const own = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].find((one) => one.name === name);
  const policy = own?.restartPolicy ?? spec?.restartPolicy;
  return metadata?.deletionTimestamp === undefined && (policy === "OnFailure" || policy === "Always");
}

function terminated(pod: Pod, name: string, end: Terminated): Exit {
  const { exitCode = -1, reason = exitCode === 0 ? "Completed" : "Error", message } = end;
  const limit = pod.spec?.containers?.find((one) => one.name === name)?.resources?.limits?.memory;
  const parts = [`Container "${name}" ended with exit code ${exitCode}: ${reason}`];
  if (reason === "OOMKilled" && limit !== undefined) parts.push(`memory limit ${limit}`);
  if (end.signal !== undefined && end.signal > 0) parts.push(`signal ${end.signal}`);
  if (pod.status?.reason !== undefined) parts.push(`pod ${pod.status.reason}`);
  if (message !== undefined && message !== "") parts.push(message.trim().slice(0, MAX_MESSAGE));
  const graceSeconds = pod.spec?.terminationGracePeriodSeconds;
  return {
    outcome: exitCode === 0 ? "ended" : "failed",
    by: BY,
    ...(typeof graceSeconds === "number" && graceSeconds > 0 && { graceMs: graceSeconds * 1000 }),
    exitCode,
    reason,
    message: parts.join(", "),
  };
}

/** A pod whose containers' ends were never reported: evicted, or lost with its node. */
function overWithout(pod: Pod, name: string, wasRunning: boolean): MainState {
  const { reason = pod.status?.phase ?? "Failed", message = "" } = pod.status ?? {};
  const why = message === "" ? reason : `${reason}: ${message}`;
  return wasRunning ? { phase: "ended", exit: interrupted(name, { reason, why }) } : { phase: "never", why };
}

/** The end of a main that was running when its pod went away. */
export function interrupted(name: string, { reason, why }: { reason: string; why: string }): Exit {
  return {
    outcome: "interrupted",
    by: BY,
    reason,
    message: `Container "${name}" was still running when its pod ended: ${why}`,
  };
}
