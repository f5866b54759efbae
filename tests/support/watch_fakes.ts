/**
 * Stand-ins for what watchers look at: a /proc of a pod, a directory, an API server.
 * @module
 */
import { cannot } from "../../src/errors.ts";
import type { ConsoleLog, Fields } from "../../src/system/log.ts";
import type { Clock, FileInfo, Files, Network, ProcessHandle, System } from "../../src/system/mod.ts";
import type { WatcherContext, WatchSettings } from "../../src/watch/context.ts";
import { SigtermCounter } from "../../src/watch/sigterm_counter.ts";
import { FakeClock } from "./fakes.ts";

const encoder = new TextEncoder();

/** Files by their path, in memory; only what watchers use. A path can be made to refuse. */
export class FakeFiles implements Files {
  readonly texts = new Map<string, string>();
  readonly denied = new Set<string>();
  /** Paths that were read, in their order. */
  readonly reads: string[] = [];

  #text(path: string): string {
    this.reads.push(path);
    if (this.denied.has(path)) {
      throw cannot("read", path, { denied: "refused" });
    }
    const text = this.texts.get(path);
    if (text === undefined) {
      throw cannot("read", path, { "not-found": "not there" });
    }
    return text;
  }

  readHead(path: string, maxBytes: number): Uint8Array {
    return encoder.encode(this.#text(path)).subarray(0, maxBytes);
  }

  readFile(path: string, maxBytes: number): Uint8Array {
    return this.readHead(path, maxBytes);
  }

  openRead(path: string): ReturnType<Files["openRead"]> {
    this.#text(path);
    let at = 0;
    return {
      read: (into) => {
        const bytes = encoder.encode(this.#text(path)).subarray(at, at + into.length);
        into.set(bytes);
        at += bytes.length;
        return bytes.length === 0 ? null : bytes.length;
      },
      write: unused,
      seek: (offset) => void (at = offset),
      truncate: unused,
      stat: unused,
      close: () => {},
    };
  }

  lstat(path: string): FileInfo | null {
    if (!this.texts.has(path)) return null;
    return { kind: "file", size: 0, mtimeMs: 0, dev: 1, ino: 1, mode: 0o644 };
  }

  /** A directory is there as soon as something is in it; its time of change goes up with every name that comes. */
  stat(path: string): FileInfo | null {
    const names = [...this.texts.keys()].filter((one) => one.startsWith(`${path}/`)).length;
    if (names === 0) return this.lstat(path);
    return { kind: "directory", size: 0, mtimeMs: names, dev: 1, ino: 1, mode: 0o755 };
  }

  exists(path: string): boolean {
    return this.stat(path) !== null;
  }

  realPath(path: string): string {
    return path;
  }

  listDir(path: string): Iterable<{ name: string; kind: FileInfo["kind"] }> {
    return this.readDir(path);
  }

  *readDir(path: string): Generator<{ name: string; kind: FileInfo["kind"] }> {
    const names = new Set<string>();
    for (const one of this.texts.keys()) {
      if (one.startsWith(`${path}/`)) names.add(one.slice(path.length + 1).split("/")[0]!);
    }
    for (const name of names) yield { name, kind: "directory" };
  }

  createNew = unused;
  mkdir = unused;
  rename = unused;
  remove = unused;
  removeTree = unused;
}

function unused(): never {
  throw new Error("no watcher does this");
}

/** Keeps what is logged. */
export class KeptLog implements ConsoleLog {
  readonly lines: string[] = [];
  #keep(level: string, message: string, fields: Fields = {}): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  }
  progress(): void {}
  shows(): boolean {
    return true;
  }
  trace(message: string, fields?: Fields): void {
    this.#keep("trace", message, fields);
  }
  summary(message: string, fields?: Fields): void {
    this.#keep("summary", message, fields);
  }
  error(message: string, fields?: Fields): void {
    this.#keep("error", message, fields);
  }
  warning(message: string, fields?: Fields): void {
    this.#keep("warning", message, fields);
  }
  info(message: string, fields?: Fields): void {
    this.#keep("info", message, fields);
  }
  debug(message: string, fields?: Fields): void {
    this.#keep("debug", message, fields);
  }
}

/** What a fake context is made of, where a test has its own. */
export interface ContextParts {
  files?: Files;
  clock?: Clock;
  network?: Network;
  openProcess?: System["openProcess"];
  env?: Record<string, string>;
  random?: () => number;
  command?: Partial<WatchSettings>;
}

/** A context of fakes; the directory to be uploaded is /out. */
export function fakeContext(parts: ContextParts = {}): WatcherContext & { log: KeptLog } {
  const network: Network = { connect: unused, connectTls: unused, startTls: unused };
  const system: System = {
    files: parts.files ?? new FakeFiles(),
    clock: parts.clock ?? new FakeClock(),
    network: parts.network ?? network,
    openProcess: parts.openProcess ?? (() => Promise.resolve(null)),
    randomHex: () => "0",
    random: parts.random ?? (() => 0.5),
  };
  return {
    system,
    env: parts.env ?? {},
    log: new KeptLog(),
    terminations: new SigtermCounter(),
    command: { localDir: "/out", kube: {}, ...parts.command },
  };
}

/** Handles on processes whose ends a test tells. */
export class FakeProcesses {
  readonly #handles = new Map<number, { tell(ended: boolean): void; status: number | "pending" | null }>();

  readonly open = (pid: number): Promise<ProcessHandle | null> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const entry = { tell: resolve, status: "pending" as number | "pending" | null };
    this.#handles.set(pid, entry);
    return Promise.resolve({
      ended: () => promise,
      waitStatus: () => Promise.resolve(entry.status),
      close: () => void (this.#handles.delete(pid) && resolve(false)),
    });
  };

  /** Handles that are not closed. */
  get count(): number {
    return this.#handles.size;
  }

  isHeld(pid: number): boolean {
    return this.#handles.has(pid);
  }

  /** A process has ended, with what waitpid(2) would tell. */
  end(pid: number, status: number | "pending" | null): void {
    const handle = this.#handles.get(pid);
    if (handle === undefined) return;
    handle.status = status;
    handle.tell(true);
  }

  /** A wait fails. */
  fail(pid: number): void {
    const handle = this.#handles.get(pid);
    if (handle === undefined) return;
    handle.status = null;
    handle.tell(false);
  }
}

/** A container of a {@linkcode FakePod}. */
export interface FakeContainer {
  id: string;
  /** Whether it mounts the directory to be uploaded. */
  sharesVolume?: boolean;
  /** Its name, where kubelet's mounts show it. */
  name?: string;
}

const POD_UID = "0f3c1a52-7d5e-4b55-9f0a-5f6f0d7b9a11";

/** A full id that begins with these digits. */
export function containerId(beginning: string): string {
  return beginning.padEnd(64, "0");
}

/** The /proc that a sidecar sees in a pod whose containers share a PID namespace, read in a private cgroup namespace. */
export class FakePod {
  readonly files = new FakeFiles();
  #newestPid = 5;

  constructor() {
    this.#put(1, { id: containerId("f") }, "pause", 0);
    this.files.texts.set("/proc/loadavg", "0.00 0.00 0.00 1/9 5");
    this.files.texts.set("/proc/self/cgroup", "0::/\n");
    this.files.texts.set("/proc/self/stat", stat(5, "copilot", { parentPid: 0 }));
    this.files.texts.set("/proc/self/mountinfo", mountinfo({ id: "own", sharesVolume: true }));
  }

  /** A new first process of a container, with its own pid. */
  start(container: FakeContainer, program: string, pid: number = this.#newestPid + 1): number {
    this.#newestPid = Math.max(this.#newestPid, pid);
    this.#put(pid, container, program, 0);
    this.files.texts.set("/proc/loadavg", `0.00 0.00 0.00 1/9 ${this.#newestPid}`);
    return pid;
  }

  /** Removes a process. */
  end(pid: number): void {
    for (const file of ["stat", "status", "cgroup", "mountinfo"]) {
      this.files.texts.delete(`/proc/${pid}/${file}`);
    }
  }

  #put(pid: number, container: FakeContainer, program: string, parentPid: number): void {
    this.files.texts.set(`/proc/${pid}/stat`, stat(pid, program, { parentPid }));
    this.files.texts.set(`/proc/${pid}/status`, `Name:\t${program}\nTgid:\t${pid}\n`);
    this.files.texts.set(`/proc/${pid}/cgroup`, `0::/../cri-containerd-${container.id}.scope\n`);
    this.files.texts.set(`/proc/${pid}/mountinfo`, mountinfo(container));
  }
}

/** A line of /proc/PID/stat; the start time is the pid's hundredfold. */
export function stat(pid: number, program: string, { parentPid }: { parentPid: number }): string {
  return `${pid} (${program}) S ${parentPid} 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 ${pid * 100} 0 0`;
}

/** A container's mounts; the own one's volume is at /out. */
export function mountinfo({ id, sharesVolume, name }: FakeContainer): string {
  const kubelet = `/var/lib/kubelet/pods/${POD_UID}`;
  return [
    `1 0 0:${50 + id.charCodeAt(0)} / / rw - overlay overlay rw`,
    `2 1 0:5 / /proc rw - proc proc rw`,
    ...(sharesVolume
      ? [
        `3 1 8:1 ${kubelet}/volumes/kubernetes.io~empty-dir/out ${
          id === "own" ? "/out" : "/data"
        } rw - ext4 /dev/sda rw`,
      ]
      : []),
    ...(name === undefined
      ? []
      : [`4 1 8:1 ${kubelet}/containers/${name}/1a2b /dev/termination-log rw - ext4 /dev/sda rw`]),
  ].join("\n");
}
