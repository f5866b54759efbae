/**
 * Reads /proc, as little of it as possible: what a process belongs to is read once, and between two looks at all processes only
 * those that have come are looked at, and the first one of each container.
 *
 * cgroup, mountinfo and stat are readable whoever owns the process; nothing here needs a capability.
 * @module
 */
import { headText } from "../../../system/head_text.ts";
import type { Files } from "../../../system/mod.ts";
import { type Membership, membershipOf } from "../../proc/cgroup.ts";
import {
  type Container,
  MAX_CONTAINERS,
  type MountEvidence,
  type ProcessRecord,
} from "../../proc/containers.ts";
import { areMachines, containerNameOf, parseMountinfo, sharesVolume } from "../../proc/mountinfo.ts";
import {
  isRunning,
  isRuntimeStage,
  parseStat,
  type ProcessIdentity,
  type ProcessStat,
} from "../../proc/stat.ts";
import { MAX_CGROUP, MAX_MOUNTINFO, MAX_STAT, type Own, readOwn } from "./own.ts";

/** How long a process may be on its way into its container. */
const ARRIVAL_MS = 500;
/** A process that sees the machine's mounts is taken for a runtime for so long. */
const MACHINES_MS = 10_000;
/** A runtime that still names itself so may take longer; a program that only calls itself so is believed after this. */
const MAX_STAGE_MS = 60_000;

/** A program's name by which it may be a copilot, and what a copilot's arguments hold. */
const COPILOT = /^(flyte-)?copilot$/;
const COPILOT_ARGUMENTS =
  /(?:^|\0)(?:download|downloader|sidecar|upload|uploader)\0(?:.*\0)?(?:-o|--to-output-prefix)/s;
const MAX_CMDLINE = 256 * 1024;

interface Known {
  startTicks: number;
  firstSeenMs: number;
  /** The program's name when it was seen first: another one now means that the runtime has become the program. */
  firstComm: string;
  membership: Membership;
  /** Whether what it belongs to is final. */
  isSettled: boolean;
}

/** The pids that there are now. */
export function* pidsIn(files: Files): Generator<number> {
  for (const { name } of files.readDir("/proc")) if (/^\d{1,10}$/.test(name)) yield Number(name);
}

/** The processes of the other containers of a pod whose containers share a PID namespace. */
export class ProcScan {
  readonly own: Own;
  /** Whether some process has not arrived in its container yet, so that it has to be looked at again. */
  hasArriving = false;
  /** Whether one of them is a container's own, so that the next look should come soon. */
  isSettling = false;
  readonly #files: Files;
  readonly #known = new Map<number, Known>();
  /** Processes of the pod's other containers, as last seen. */
  readonly #records = new Map<number, ProcessRecord>();
  readonly #evidence = new Map<string, MountEvidence>();

  /**
   * @param localDir the directory to be uploaded
   * @throws CopilotError `config` where other containers' processes cannot be seen
   */
  constructor(files: Files, localDir: string) {
    this.#files = files;
    this.own = readOwn(files, localDir);
  }

  /** A process's state, null when it is gone or its pid belongs to another one. */
  find({ pid, startTicks }: ProcessIdentity): ProcessStat | null {
    const stat = this.#stat(pid);
    return stat?.startTicks === startTicks ? stat : null;
  }

  /** Whether there is a process or a thread with this number. */
  isThere(pid: number): boolean {
    return this.#files.exists(`/proc/${pid}`);
  }

  /** The pids that there are now. */
  pids(): Set<number> {
    return new Set(pidsIn(this.#files));
  }

  /** All processes of other containers of the pod, each looked at. */
  look(nowMs: number, pids = this.pids()): ProcessRecord[] {
    this.isSettling = this.hasArriving = false;
    for (const pid of this.#known.keys()) if (!pids.has(pid)) this.#forget(pid);
    for (const pid of pids) this.#visit(pid, nowMs);
    return [...this.#records.values()];
  }

  /**
   * The same, where only these pids may be new: of each container its first process is looked at, and only once that has ended the
   * others are.
   *
   * @param pids may be those of threads, and of processes that are gone
   */
  refresh(nowMs: number, pids: Iterable<number>, containers: Iterable<Container>): ProcessRecord[] {
    this.isSettling = this.hasArriving = false;
    for (const { id, first, end } of containers) {
      if (end?.isComplete) continue;
      this.#visit(first.pid, nowMs);
      const record = this.#records.get(first.pid);
      if (
        end === null && record !== undefined && isRunning(record) && record.startTicks === first.startTicks
      ) continue;
      for (const other of [...this.#records.values()]) {
        if (other.containerId === id) this.#visit(other.pid, nowMs);
      }
    }
    for (const [pid, { isSettled }] of [...this.#known]) if (!isSettled) this.#visit(pid, nowMs);
    for (const pid of pids) if (this.#known.has(pid) || !this.#isThread(pid)) this.#visit(pid, nowMs);
    return [...this.#records.values()];
  }

  /** Looks at one process, and notes it or that it is gone. */
  #visit(pid: number, nowMs: number): void {
    const stat = this.#stat(pid);
    if (stat === null) return this.#forget(pid);
    let known = this.#known.get(pid);
    if (known === undefined || known.startTicks !== stat.startTicks || !known.isSettled) {
      known = this.#meet(stat, { before: known, nowMs });
      this.#known.set(pid, known);
      this.hasArriving ||= !known.isSettled;
      this.isSettling ||= !known.isSettled && stat.parentPid === 0;
    }
    const record = this.#record(stat, known, nowMs);
    if (record === null) this.#records.delete(pid);
    else this.#records.set(pid, record);
  }

  #forget(pid: number): void {
    this.#known.delete(pid);
    this.#records.delete(pid);
  }

  #record(stat: ProcessStat, known: Known, nowMs: number): ProcessRecord | null {
    if (known.membership.kind !== "container") return null;
    const { id, podUid } = known.membership;
    if (id === this.own.containerId) return null;
    // With the host's PID namespace the whole machine is in sight.
    if (podUid !== null && this.own.podUid !== null && podUid !== this.own.podUid) return null;
    const seenMs = nowMs - known.firstSeenMs;
    const isStage = isRuntimeStage(stat) && seenMs < MAX_STAGE_MS;
    const maySetUp = isStage || (seenMs < ARRIVAL_MS && stat.comm === known.firstComm);
    const evidence = this.#evidenceOf(id, stat, { maySetUp, seenMs });
    const isSettingUp = maySetUp || (evidence === null && seenMs < MAX_STAGE_MS);
    this.isSettling ||= isStage;
    return { ...stat, containerId: id, evidence, isSettingUp };
  }

  #meet(stat: ProcessStat, { before, nowMs }: { before: Known | undefined; nowMs: number }): Known {
    const text = this.#read(stat.pid, "cgroup", MAX_CGROUP);
    const membership: Membership = text === null ? { kind: "none" } : membershipOf(text, this.own.reader);
    const isSame = before?.startTicks === stat.startTicks;
    const firstSeenMs = isSame ? before!.firstSeenMs : nowMs;
    const isArriving = membership.kind === "monitor" || membership.kind === "none";
    return {
      startTicks: stat.startTicks,
      firstSeenMs,
      firstComm: isSame ? before!.firstComm : stat.comm,
      membership,
      isSettled: !isArriving || nowMs - firstSeenMs >= ARRIVAL_MS,
    };
  }

  /** What a container's mounts tell; kept only once no runtime may be at work on them any more. */
  #evidenceOf(
    id: string,
    stat: ProcessStat,
    { maySetUp, seenMs }: { maySetUp: boolean; seenMs: number },
  ): MountEvidence | null {
    const known = this.#evidence.get(id);
    if (known !== undefined) return known;
    const text = this.#read(stat.pid, "mountinfo", MAX_MOUNTINFO);
    if (text === null || text === "") return null;
    const mounts = parseMountinfo(text);
    const { root, volume, isVolume, mounts: own } = this.own;
    // A main that mounts the machine's own directories sees its mounts for good.
    const isMachines = areMachines(mounts, root);
    if (isMachines && seenMs < MACHINES_MS) return null;
    const evidence = {
      name: containerNameOf(mounts),
      sharesVolume: isVolume && volume !== null && sharesVolume(mounts, volume, own),
      isCopilot: this.#isCopilot(stat),
    };
    if (!maySetUp && (!isMachines || seenMs >= MAX_STAGE_MS)) this.#evidence.set(id, evidence);
    if (this.#evidence.size > MAX_CONTAINERS) this.#evidence.delete(this.#evidence.keys().next().value!);
    return evidence;
  }

  /** By its arguments, because a main may be called copilot as well. */
  #isCopilot({ pid, comm }: ProcessStat): boolean {
    return COPILOT.test(comm) && COPILOT_ARGUMENTS.test(this.#read(pid, "cmdline", MAX_CMDLINE) ?? "");
  }

  /** A thread has files of its own below /proc, though they are not listed. */
  #isThread(pid: number): boolean {
    const text = this.#read(pid, "status", 4096);
    return text === null || Number(/^Tgid:\t(\d+)$/m.exec(text)?.[1]) !== pid;
  }

  #stat(pid: number): ProcessStat | null {
    const text = this.#read(pid, "stat", MAX_STAT);
    return text === null ? null : parseStat(text);
  }

  /** Null for a process that is gone, which shows as ENOENT or ESRCH, or that is hidden. */
  #read(pid: number, file: string, maxBytes: number): string | null {
    return headText(this.#files, `/proc/${pid}/${file}`, maxBytes);
  }
}
