/**
 * The text of /proc/PID/mountinfo, and what it tells about a container: its name and its volumes.
 *
 * A privileged workload can shape it, so what is read here never outweighs a container id that was given.
 * @module
 */

/** A mount. */
export interface Mount {
  /** `major:minor` of the file system. */
  device: string;
  /** The directory of that file system which is mounted. */
  root: string;
  mountPoint: string;
  /** `ext4`, `overlay`, `proc`, … */
  fsType: string;
  /** Options of the file system: `rw,hidepid=invisible`. */
  superOptions: string;
}

/** The kernel writes blank, tab, line end, `#` and backslash as three octal digits. */
function unescape(field: string): string {
  return field.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** Parses the lines of /proc/PID/mountinfo; lines that are none are left out. */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    // Between the sixth field and the dash stand any number of optional ones.
    const dash = fields.indexOf("-", 6);
    const [device, root, mountPoint] = [fields[2], fields[3], fields[4]];
    if (dash < 0 || device === undefined || !/^\d+:\d+$/.test(device)) continue;
    if (!root?.startsWith("/") || !mountPoint?.startsWith("/")) continue;
    mounts.push({
      device,
      root: unescape(root),
      mountPoint: unescape(mountPoint),
      fsType: fields[dash + 1] ?? "",
      superOptions: fields[dash + 3] ?? "",
    });
  }
  return mounts;
}

/** The mount that holds a path: the longest mount point above it, of equal ones the last, which covers the others. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | null {
  let best: Mount | null = null;
  for (const mount of mounts) {
    const above = mount.mountPoint === "/" || path === mount.mountPoint ||
      path.startsWith(`${mount.mountPoint}/`);
    if (above && mount.mountPoint.length >= (best?.mountPoint.length ?? 0)) best = mount;
  }
  return best;
}

/** Whether the same directory of the same file system is mounted, under whatever name. */
export function hasMount(mounts: readonly Mount[], wanted: Mount): boolean {
  return mounts.some(({ device, root }) => device === wanted.device && root === wanted.root);
}

/**
 * Whether a volume is mounted, or a part of it, or something that it is a part of (`subPath` on one side): a directory of the same
 * file system that lies above or below.
 *
 * @param own the reader's own mounts. A directory that also lies above others of them holds more than the volume: the node's disk.
 */
export function sharesVolume(mounts: readonly Mount[], volume: Mount, own: readonly Mount[]): boolean {
  const others = own.filter(({ device, root }) => device === volume.device && !isWithin(root, volume.root));
  const isNodes = (root: string) =>
    root !== volume.root && others.some((other) => isWithin(other.root, root));
  return mounts.some(({ device, root }) =>
    device === volume.device && (isWithin(root, volume.root) || isWithin(volume.root, root) && !isNodes(root))
  );
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

/**
 * Whether these are the machine's own mounts, which a container's runtime sees until it has changed its root: kubelet's volumes of
 * pods at their own paths, or the root of another container.
 *
 * @param ownRoot the mount of the reader's own `/`
 */
export function areMachines(mounts: readonly Mount[], ownRoot: Mount | null): boolean {
  return (ownRoot !== null && hasMount(mounts, ownRoot)) ||
    mounts.some(({ mountPoint }) => /\/pods\/[0-9a-f-]{32,36}\/volumes?\//.test(mountPoint));
}

/** Kubelet's directories of a pod: `…/pods/<uid>/…`. */
const KUBELET = /\/pods\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})(?:\/(.*))?$/;

/**
 * The container's name: kubelet mounts `…/pods/<uid>/containers/<name>/<hash>` as every container's termination message
 * file, /dev/termination-log unless the pod's spec says otherwise.
 */
export function containerNameOf(mounts: readonly Mount[]): string | null {
  const names = new Map<string, string>();
  for (const { root, mountPoint } of mounts) {
    // The first match counts: what follows it may be a name that a user chose within a volume.
    const rest = KUBELET.exec(firstPod(root))?.[2];
    const match = rest === undefined
      ? null
      : /^containers\/([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)\/[^/]+$/.exec(rest);
    if (match !== null) names.set(mountPoint, match[1]!);
  }
  const usual = names.get("/dev/termination-log");
  if (usual !== undefined) return usual;
  const distinct = new Set(names.values());
  return distinct.size === 1 ? [...distinct][0]! : null;
}

/** The part of a path that begins with its first `/pods/<uid>`. */
function firstPod(root: string): string {
  const at = root.search(/\/pods\/[0-9a-f]{8}[0-9a-f-]{24,28}(\/|$)/);
  return at < 0 ? "" : root.slice(at);
}

/** The pod's uid, from any of kubelet's mounts (its hosts file, its volumes). */
export function podUidOf(mounts: readonly Mount[]): string | null {
  for (const { root } of mounts) {
    const uid = KUBELET.exec(firstPod(root))?.[1];
    if (uid !== undefined) return uid;
  }
  return null;
}

/** The value of /proc's option `hidepid` where it hides other users' processes, else null. */
export function hidepidOf(mounts: readonly Mount[]): string | null {
  const proc = mounts.findLast(({ mountPoint, fsType }) => mountPoint === "/proc" && fsType === "proc");
  const value = /(?:^|,)hidepid=([^,]+)/.exec(proc?.superOptions ?? "")?.[1];
  return value === undefined || value === "0" || value === "off" ? null : value;
}
