/**
 * Whether the copilot of this container handles SIGTERM yet, for a startup probe: kubelet starts the containers after a native sidecar
 * only once its probe has succeeded. Until the handler stands, some 35 ms after exec and longer with little CPU, the kernel drops a
 * SIGTERM to process 1 of a PID namespace.
 *
 * The kernel itself is asked, so the sidecar need not listen or write anything.
 * @module
 */
import { headText } from "../system/head_text.ts";
import type { Files } from "../system/mod.ts";
import { parseStat, type ProcessStat } from "./proc/stat.ts";
import { pidsIn } from "./watchers/process/scan.ts";

/** More than the kernel writes. */
const MAX_BYTES = 64 * 1024;

const SIGTERM = 15n;

/** What a probe answers. */
export interface Readiness {
  isReady: boolean;
  /** Why not. */
  why: string;
}

/**
 * Looks at the container's first process, which is the oldest one in the own cgroup besides this one.
 *
 * @throws CopilotError where /proc cannot be read
 */
export function readiness(files: Files): Readiness {
  const read = (path: string) => new TextDecoder().decode(files.readHead(path, MAX_BYTES));
  const cgroup = read("/proc/self/cgroup");
  const self = parseStat(read("/proc/self/stat"));
  const first = oldest(files, (pid) => {
    if (pid === self?.pid || headText(files, `/proc/${pid}/cgroup`, MAX_BYTES) !== cgroup) return null;
    return parseStat(headText(files, `/proc/${pid}/stat`, MAX_BYTES) ?? "");
  });
  if (first === null) {
    return { isReady: false, why: "no other process in this container, expected a copilot sidecar" };
  }
  const status = headText(files, `/proc/${first.pid}/status`, MAX_BYTES) ?? "";
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  const isReady = (BigInt(`0x${caught}`) >> (SIGTERM - 1n) & 1n) === 1n;
  return { isReady, why: isReady ? "" : `process ${first.pid} (${first.comm}) does not handle SIGTERM yet` };
}

function oldest(files: Files, statOf: (pid: number) => ProcessStat | null): ProcessStat | null {
  let first: ProcessStat | null = null;
  for (const pid of pidsIn(files)) {
    const stat = statOf(pid);
    if (stat === null) continue;
    const isOlder = first === null || stat.startTicks < first.startTicks ||
      (stat.startTicks === first.startTicks && stat.pid < first.pid);
    if (isOlder) first = stat;
  }
  return first;
}
