/**
 * What a sidecar reads in /proc about itself, and whether the other containers of its pod can be seen from there.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { headText } from "../../../system/head_text.ts";
import type { Files } from "../../../system/mod.ts";
import { isPrivateReader, membershipOf, parentOf, parseCgroup, type Reader } from "../../proc/cgroup.ts";
import { hasMount, hidepidOf, type Mount, mountOf, parseMountinfo, podUidOf } from "../../proc/mountinfo.ts";
import { parseStat } from "../../proc/stat.ts";

/** More than the kernel writes; a mount table can be long. */
export const MAX_STAT = 1024;
export const MAX_CGROUP = 64 * 1024;
export const MAX_MOUNTINFO = 1024 * 1024;

/** What a sidecar knows about itself. */
export interface Own {
  /** Null where the own cgroup namespace hides it. */
  containerId: string | null;
  pauseId: string | null;
  podUid: string | null;
  /** The mount that holds the directory to be uploaded. */
  volume: Mount | null;
  /** Whether that directory is a volume. */
  isVolume: boolean;
  /** Whether the own process is in a container. */
  isContainer: boolean;
  /** When this process has started, in ticks since the machine's boot. */
  startTicks: number;
  mounts: readonly Mount[];
  /** The mount of the own `/`; null where that is everybody's, so that it tells nothing about who sees it. */
  root: Mount | null;
  /** By what the cgroups of others are understood. */
  reader: Reader;
}

/**
 * Reads it.
 *
 * @param localDir the directory to be uploaded
 * @throws CopilotError `config` where other containers' processes cannot be seen
 */
export function readOwn(files: Files, localDir: string): Own {
  const read = (path: string, maxBytes: number) => new TextDecoder().decode(files.readHead(path, maxBytes));
  const cgroup = read("/proc/self/cgroup", MAX_CGROUP);
  const mounts = parseMountinfo(read("/proc/self/mountinfo", MAX_MOUNTINFO));
  const stat = parseStat(read("/proc/self/stat", MAX_STAT));
  const pauseCgroup = headText(files, "/proc/1/cgroup", MAX_CGROUP);
  requireVisible(pauseCgroup, mounts);
  requireShared({ pid: stat?.pid, cgroup, pauseCgroup });
  const reader = { isPrivate: isPrivateReader(cgroup), parent: parentOf(cgroup) };
  const self = membershipOf(cgroup, reader);
  const pause = membershipOf(pauseCgroup, reader);
  const volume = mountOf(mounts, canonical(files, localDir));
  return {
    containerId: self.kind === "container" ? self.id : null,
    pauseId: pause.kind === "container" ? pause.id : null,
    podUid: (self.kind === "container" ? self.podUid : null) ?? podUidOf(mounts),
    volume,
    isVolume: volume !== null && volume.mountPoint !== "/",
    isContainer: self.kind === "own" || self.kind === "container",
    startTicks: stat?.startTicks ?? Infinity,
    mounts,
    root: ownRoot(mounts, headText(files, "/proc/1/mountinfo", MAX_MOUNTINFO)),
    reader,
  };
}

function ownRoot(mounts: readonly Mount[], pauseMountinfo: string | null): Mount | null {
  const root = mountOf(mounts, "/");
  return root === null || hasMount(parseMountinfo(pauseMountinfo ?? ""), root) ? null : root;
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
  throw cannot("watch the main container in", "/proc", {
    config: `processes of other users are hidden${hidepid === null ? "" : ` (hidepid=${hidepid})`}, ` +
      `expected a /proc mounted without hidepid; or use the watcher file or kube-api`,
  });
}

function requireShared(seen: { pid: number | undefined; cgroup: string; pauseCgroup: string }): void {
  if (seen.pid !== 1 && seen.cgroup !== seen.pauseCgroup) return;
  if (seen.pid !== 1 && parseCgroup(seen.cgroup).length === 0) {
    throw cannot("watch the main container in", "/proc", {
      config: "the kernel shows no cgroups there (as gVisor's does), by which containers are told apart, " +
        "expected the watcher file or kube-api",
    });
  }
  throw cannot("watch the main container in", "/proc", {
    config: "only this container's own processes are visible, " +
      `expected "shareProcessNamespace: true" in the pod's spec`,
  });
}
