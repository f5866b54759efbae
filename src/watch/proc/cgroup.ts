/**
 * The text of /proc/PID/cgroup, and the container that it names.
 *
 * Paths depend on the reader's cgroup namespace, not on that of the process: in a private one the reader's own path is `/` and
 * other containers' begin with `/..`.
 * @module
 */

/** Which container a process belongs to. */
export type Membership =
  /** A container's process. `podUid` where the path names the pod, dashes between its groups. */
  | { kind: "container"; id: string; podUid: string | null }
  /** The reader's own container. */
  | { kind: "own" }
  /** podman's or CRI-O's monitor, or a process on its way from there into a container: look again. */
  | { kind: "monitor" }
  /** No container is named. */
  | { kind: "none" };

/** A pod's segment: cgroupfs `pod<uid>`, systemd `kubepods-burstable-pod<uid>.slice`; a static pod's uid is a hash. */
const POD = /(?:^|-)pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=$|\.slice)/;

/** `<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`, `libpod-<id>`, and `….slice:cri-containerd:<id>` of mixed drivers. */
const CONTAINER = /(?:^|[-:])([0-9a-f]{64})(?:\.scope)?$/;

/** ECS: `<task>-<number>`. */
const ECS = /^[0-9a-f]{32}-\d+$/;

/** `conmon`, `libpod-conmon-<id>.scope`, `crio-conmon-<id>.scope`. */
const MONITOR = /(?:^|-)conmon(?:$|-)/;

/** Longer paths than the kernel makes are not looked at. */
const MAX_PATH = 4096;

/**
 * The paths of /proc/PID/cgroup, line by line; lines that are none are left out.
 *
 * A path may hold colons itself. A removed cgroup's path ends in ` (deleted)`, which is cut off.
 */
export function parseCgroup(text: string): string[] {
  const paths: string[] = [];
  for (const line of text.split("\n")) {
    const match = /^\d+:[^:]*:(\/.*)$/.exec(line.length > MAX_PATH ? "" : line);
    if (match !== null) paths.push(match[1]!.replace(/ \(deleted\)$/, ""));
  }
  return paths;
}

/** Whether the reader is in a cgroup namespace of its own: then it reads `/` for itself on every line. */
export function isPrivateReader(ownText: string): boolean {
  const paths = parseCgroup(ownText);
  return paths.length > 0 && paths.every((path) => path === "/");
}

/** What is known about the reader's own place. */
export interface Reader {
  /** Whether {@linkcode isPrivateReader} holds. */
  isPrivate: boolean;
  /** The cgroup above its container's, see {@linkcode parentOf}. */
  parent?: string | null;
}

/**
 * The cgroup in which the reader's own container is one of several: those of its pod. In a pod that runs within another one's
 * container (with the host's cgroup namespace) it is the inner pod's.
 *
 * @returns null where no container is named
 */
export function parentOf(ownText: string): string | null {
  for (const path of parseCgroup(ownText)) {
    const segments = path.split("/");
    const index = segments.findLastIndex((segment) => idOf(segment) !== null);
    if (index > 1) return segments.slice(0, index).join("/");
  }
  return null;
}

/**
 * Says whose process it is.
 *
 * @param text /proc/PID/cgroup
 */
export function membershipOf(text: string, reader: Reader): Membership {
  const paths = parseCgroup(text);
  if (paths.some((path) => path.split("/").some((segment) => MONITOR.test(segment)))) {
    return { kind: "monitor" };
  }
  // In a private namespace whatever is not above the own root is below it, also containers that the own one runs.
  if (reader.isPrivate && paths.length > 0 && paths.every((path) => !path.startsWith("/.."))) {
    return { kind: "own" };
  }
  for (const path of paths) {
    const found = besideReader(path, reader) ?? containerIn(path);
    if (found !== null) return { kind: "container", ...found };
  }
  return { kind: "none" };
}

/** A container of the reader's own pod: the segment at the place where the reader's own has its id. What is below it is inside it. */
function besideReader(path: string, { parent }: Reader): { id: string; podUid: string | null } | null {
  if (parent === null || parent === undefined || !path.startsWith(`${parent}/`)) return null;
  const id = idOf(path.slice(parent.length + 1).split("/")[0]!);
  if (id === null) return null;
  const pods = parent.split("/").map((segment) => POD.exec(mixed(segment))?.[1]);
  const uid = pods.findLast((found) => found !== undefined);
  return { id, podUid: uid === undefined ? null : uuid(uid) };
}

function containerIn(path: string): { id: string; podUid: string | null } | null {
  const segments = path.split("/").filter((segment) => segment !== "");
  for (const [index, segment] of segments.entries()) {
    const pod = POD.exec(mixed(segment));
    if (pod === null) continue;
    // The id right behind the pod's: an engine that runs inside the container makes no new container of it.
    const id = idOf(segment) ?? idOf(segments[index + 1] ?? "");
    return id === null ? null : { id, podUid: uuid(pod[1]!) };
  }
  const ids = segments.map((segment, index) =>
    segments[index - 1] === "libpod_parent" && /^[0-9a-f]{64}$/.test(segment) ? null : idOf(segment)
  )
    .filter((id) => id !== null);
  // A relative path begins beside the reader: its first id is the neighbour's, what follows is inside that.
  const id = path.startsWith("/../") ? ids[0] : ids.at(-1);
  return id === undefined ? null : { id, podUid: null };
}

/** The slice's part of `…-pod<uid>.slice:cri-containerd:<id>`. */
function mixed(segment: string): string {
  return segment.split(":")[0]!;
}

function idOf(segment: string): string | null {
  return CONTAINER.exec(segment)?.[1] ?? ECS.exec(segment)?.[0] ?? null;
}

function uuid(text: string): string {
  return text.replaceAll("_", "-");
}
