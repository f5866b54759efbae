/**
 * Reads /proc, as little of it as possible: what a process belongs to is read once, its state at every look.
 *
 * cgroup, mountinfo and stat are readable whoever owns the process; nothing here needs a capability.
 * @module
 */
import { cannot } from "../../../errors.ts";
import type { Files, OpenFile } from "../../../system/mod.ts";
import { isPrivateReader, type Membership, membershipOf, parseCgroup } from "../../proc/cgroup.ts";
import { MAX_CONTAINERS, type MountEvidence, type ProcessRecord } from "../../proc/containers.ts";
import {
  containerNameOf,
  hasMount,
  hidepidOf,
  type Mount,
  mountOf,
  parseMountinfo,
  podUidOf,
} from "../../proc/mountinfo.ts";
import { isRuntimeInit, parseStat, type ProcessIdentity, type ProcessStat } from "../../proc/stat.ts";

/** More than the kernel writes; a mount table can be long. */
const MAX_STAT = 1024;
const MAX_CGROUP = 64 * 1024;
const MAX_MOUNTINFO = 1024 * 1024;

/** How long a process may be on its way into its container. */
const ARRIVAL_MS = 500;

/** What a sidecar knows about itself. */
export interface Own {
  /** Null where the own cgroup namespace hides it. */
  containerId: string | null;
  pauseId: string | null;
  /** Whether the directory to be uploaded is a volume. */
  isVolume: boolean;
  /** Whether the own process is in a container. */
  isContainer: boolean;
  /** When this process has started, in ticks since the machine's boot. */
  startTicks: number;
}

interface Known {
  startTicks: number;
  firstSeenMs: number;
  membership: Membership;
  isSettled: boolean;
}

const decoder = new TextDecoder();

/** The processes of the other containers of a pod whose containers share a PID namespace. */
export class ProcScan {
  readonly own: Own;
  /** Whether some process has not arrived in its container yet, so that the next look should come soon. */
  isSettling = false;
  readonly #files: Files;
  readonly #isPrivate: boolean;
  readonly #podUid: string | null;
  readonly #volume: Mount | null;
  readonly #root: Mount | null;
  readonly #known = new Map<number, Known>();
  readonly #evidence = new Map<string, MountEvidence>();
  readonly #buffer = new Uint8Array(128);
  #loadavg: OpenFile | null = null;

  /**
   * @param localDir the directory to be uploaded
   * @throws CopilotError `config` where other containers' processes cannot be seen
   */
  constructor(files: Files, localDir: string) {
    this.#files = files;
    const cgroup = decoder.decode(files.readHead("/proc/self/cgroup", MAX_CGROUP));
    const mounts = parseMountinfo(decoder.decode(files.readHead("/proc/self/mountinfo", MAX_MOUNTINFO)));
    const stat = parseStat(decoder.decode(files.readHead("/proc/self/stat", MAX_STAT)));
    const pauseCgroup = this.#read(1, "cgroup", MAX_CGROUP);
    requireVisible(pauseCgroup, mounts);
    requireShared({ pid: stat?.pid, cgroup, pauseCgroup });
    this.#isPrivate = isPrivateReader(cgroup);
    const self = membershipOf(cgroup, { isPrivate: this.#isPrivate });
    const pause = membershipOf(pauseCgroup, { isPrivate: this.#isPrivate });
    this.#podUid = (self.kind === "container" ? self.podUid : null) ?? podUidOf(mounts);
    this.#volume = mountOf(mounts, canonical(files, localDir));
    this.#root = mountOf(mounts, "/");
    this.own = {
      containerId: self.kind === "container" ? self.id : null,
      pauseId: pause.kind === "container" ? pause.id : null,
      isVolume: this.#volume !== null && this.#volume.mountPoint !== "/",
      isContainer: self.kind === "own" || self.kind === "container",
      startTicks: stat?.startTicks ?? Infinity,
    };
  }

  /** The newest pid of the namespace: as long as it stays the same no process has come. Null where it cannot be read. */
  newestPid(): string | null {
    try {
      // Held open, since this is read a hundred times a second.
      const file = this.#loadavg ??= this.#files.openRead("/proc/loadavg");
      file.seek(0);
      const length = file.read(this.#buffer) ?? 0;
      return decoder.decode(this.#buffer.subarray(0, length)).trim().split(" ")[4] ?? null;
    } catch {
      return null;
    }
  }

  /** Lets go of what {@linkcode newestPid} holds, which opens it again when asked. */
  close(): void {
    this.#loadavg?.close();
    this.#loadavg = null;
  }

  /** A process's state, null when it is gone or its pid belongs to another one. */
  find({ pid, startTicks }: ProcessIdentity): ProcessStat | null {
    const stat = this.#stat(pid);
    return stat?.startTicks === startTicks ? stat : null;
  }

  /** All processes of other containers of the pod. */
  look(nowMs: number): ProcessRecord[] {
    const records: ProcessRecord[] = [];
    const pids = new Set<number>();
    this.isSettling = false;
    for (const { name } of this.#files.readDir("/proc")) {
      if (!/^\d{1,10}$/.test(name)) continue;
      const stat = this.#stat(Number(name));
      if (stat === null) continue;
      pids.add(stat.pid);
      const record = this.#record(stat, nowMs);
      if (record !== null) records.push(record);
    }
    for (const pid of this.#known.keys()) if (!pids.has(pid)) this.#known.delete(pid);
    return records;
  }

  #record(stat: ProcessStat, nowMs: number): ProcessRecord | null {
    let known = this.#known.get(stat.pid);
    if (known === undefined || known.startTicks !== stat.startTicks || !known.isSettled) {
      const firstSeenMs = known?.startTicks === stat.startTicks ? known.firstSeenMs : nowMs;
      known = this.#meet(stat, { firstSeenMs, nowMs });
      this.#known.set(stat.pid, known);
      this.isSettling ||= !known.isSettled;
    }
    if (known.membership.kind !== "container") return null;
    const { id, podUid } = known.membership;
    // With the host's PID namespace the whole machine is in sight.
    if (podUid !== null && this.#podUid !== null && podUid !== this.#podUid) return null;
    return { ...stat, containerId: id, evidence: this.#evidenceOf(id, stat) };
  }

  #meet(stat: ProcessStat, seen: { firstSeenMs: number; nowMs: number }): Known {
    const text = this.#read(stat.pid, "cgroup", MAX_CGROUP);
    const membership: Membership = text === null
      ? { kind: "none" }
      : membershipOf(text, { isPrivate: this.#isPrivate });
    const isArriving = membership.kind === "monitor" || membership.kind === "none" || isRuntimeInit(stat);
    const isSettled = !isArriving || seen.nowMs - seen.firstSeenMs >= ARRIVAL_MS && !isRuntimeInit(stat);
    return { startTicks: stat.startTicks, firstSeenMs: seen.firstSeenMs, membership, isSettled };
  }

  #evidenceOf(id: string, stat: ProcessStat): MountEvidence | null {
    const known = this.#evidence.get(id);
    if (known !== undefined) return known;
    const text = this.#read(stat.pid, "mountinfo", MAX_MOUNTINFO);
    if (text === null || text === "") return null;
    const mounts = parseMountinfo(text);
    // Before it has changed its root a runtime still sees the machine's mounts, and our own root among them.
    if (isRuntimeInit(stat) && this.#root !== null && hasMount(mounts, this.#root)) return null;
    const evidence = {
      name: containerNameOf(mounts),
      sharesVolume: this.own.isVolume && this.#volume !== null && hasMount(mounts, this.#volume),
    };
    if (!isRuntimeInit(stat)) this.#evidence.set(id, evidence);
    if (this.#evidence.size > MAX_CONTAINERS) this.#evidence.delete(this.#evidence.keys().next().value!);
    return evidence;
  }

  #stat(pid: number): ProcessStat | null {
    const text = this.#read(pid, "stat", MAX_STAT);
    return text === null ? null : parseStat(text);
  }

  /** Null for a process that is gone, which shows as ENOENT or ESRCH, or that is hidden. */
  #read(pid: number, file: string, maxBytes: number): string | null {
    try {
      return decoder.decode(this.#files.readHead(`/proc/${pid}/${file}`, maxBytes));
    } catch {
      return null;
    }
  }
}

function canonical(files: Files, path: string): string {
  try {
    return files.realPath(path);
  } catch {
    return path;
  }
}

function requireVisible(pauseCgroup: string | null, mounts: readonly Mount[]): asserts pauseCgroup is string {
  if (pauseCgroup !== null) return;
  const hidepid = hidepidOf(mounts);
  throw cannot(`watch the main container in "/proc"`, {
    config: "processes of other users are hidden" +
      (hidepid === null ? "" : ` (hidepid=${hidepid})`) +
      `, expected a /proc mounted without hidepid; or use the watcher file or kube-api`,
  });
}

function requireShared(seen: { pid: number | undefined; cgroup: string; pauseCgroup: string }): void {
  if (seen.pid !== 1 && seen.cgroup !== seen.pauseCgroup) return;
  if (seen.pid !== 1 && parseCgroup(seen.cgroup).length === 0) {
    throw cannot(`watch the main container in "/proc"`, {
      config: "the kernel shows no cgroups there (as gVisor's does), " +
        `by which containers are told apart, expected the watcher file or kube-api`,
    });
  }
  throw cannot(`watch the main container in "/proc"`, {
    config: "only this container's own processes are visible, " +
      `expected "shareProcessNamespace: true" in the pod's spec`,
  });
}
