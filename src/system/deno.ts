/**
 * The machine as Deno shows it; the C library is called in modules of its own.
 * @module
 */
import { existsSync, statfsSync } from "node:fs";
import { cannot, CopilotError, from } from "../errors.ts";
import { addedCertificates } from "./certificates.ts";
import type { Clock, Connection, FileInfo, Files, Network, OpenFile, System, TlsOptions } from "./mod.ts";

/** The width of a terminal that does not tell. */
const DEFAULT_COLUMNS = 80;

/**
 * Bytes of one write to a file. The kernel takes memory for the page cache in one piece for each, large pieces from where nothing has
 * been for longest, and that is what the host of a virtual machine has taken back: with 256 KiB, 1 GiB cost between 0.6 and 2 CPU
 * seconds, by chance. See bench/NOTES.md.
 */
const WRITE_BYTES = 32 * 1024;

/** The runtime counts timers in 31 bits, and one that is longer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new CopilotError("aborted", "Wait cancelled"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    // A timer of more than 31 bits fires at once.
    for (let left = ms; left > 0 || left === ms; left -= MAX_TIMER_MS) {
      await pause(Math.min(left, MAX_TIMER_MS), signal);
    }
  },
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    Deno.unrefTimer(timer);
    return () => clearInterval(timer);
  },
};

/** Runs a file operation and gives its error the action and the path. */
function on<T>(action: string, path: string, operation: () => T): T {
  try {
    return operation();
  } catch (thrown) {
    throw from(thrown, { action, object: path, fallback: "io" });
  }
}

function info(stat: Deno.FileInfo): FileInfo {
  return {
    kind: stat.isFile ? "file" : stat.isDirectory ? "directory" : stat.isSymlink ? "symlink" : "other",
    size: stat.size,
    mtimeMs: stat.mtime?.getTime() ?? null,
    dev: stat.dev,
    ino: stat.ino ?? 0,
    mode: (stat.mode ?? 0) & 0o7777,
  };
}

function openFile(path: string, file: Deno.FsFile): OpenFile {
  return {
    read: (into) => on("read", path, () => file.readSync(into)),
    write: (bytes) =>
      on("write", path, () => {
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at, at + WRITE_BYTES));
      }),
    seek: (offset) => on("seek in", path, () => void file.seekSync(offset, Deno.SeekMode.Start)),
    truncate: (length) => on("set the length of", path, () => file.truncateSync(length)),
    stat: () => on("stat", path, () => info(file.statSync())),
    close: () => file.close(),
  };
}

/** Null instead of an error where nothing is. */
function statOrNull(path: string, stat: (path: string) => Deno.FileInfo): FileInfo | null {
  try {
    return info(stat(path));
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return null;
    throw from(thrown, { action: "stat", object: path, fallback: "io" });
  }
}

function readUpTo(path: string, maxBytes: number): Uint8Array {
  return on("read", path, () => {
    using file = Deno.openSync(path, { read: true });
    let buffer = new Uint8Array(Math.min(maxBytes, 8192));
    let length = 0;
    for (;;) {
      if (length === buffer.length) {
        if (length >= maxBytes) break;
        const larger = new Uint8Array(Math.min(maxBytes, buffer.length * 2));
        larger.set(buffer);
        buffer = larger;
      }
      const count = file.readSync(buffer.subarray(length));
      if (count === null) break;
      length += count;
    }
    return buffer.subarray(0, length);
  });
}

const files: Files = {
  openRead(path) {
    // Looked at before it is opened: opening a FIFO would block until somebody writes.
    const found = on("stat", path, () => info(Deno.statSync(path)));
    if (found.kind !== "file") {
      throw cannot("read", path, { path: `it is a ${kindName(found.kind)}, expected a regular file` });
    }
    return openFile(path, on("open", path, () => Deno.openSync(path, { read: true })));
  },
  createNew: (path, mode) =>
    openFile(
      path,
      on("create", path, () => Deno.openSync(path, { read: true, write: true, createNew: true, mode })),
    ),
  readFile(path, maxBytes) {
    const bytes = readUpTo(path, maxBytes + 1);
    if (bytes.length > maxBytes) {
      throw cannot("read", path, { input: `it is larger than ${maxBytes} bytes` });
    }
    return bytes;
  },
  readHead: readUpTo,
  lstat: (path) => statOrNull(path, Deno.lstatSync),
  stat: (path) => statOrNull(path, Deno.statSync),
  exists: existsSync,
  realPath: (path) => on("resolve", path, () => Deno.realPathSync(path)),
  *readDir(path) {
    for (const entry of on("list", path, () => Deno.readDirSync(path))) {
      const kind = entry.isFile
        ? "file"
        : entry.isDirectory
        ? "directory"
        : entry.isSymlink
        ? "symlink"
        : "other";
      yield { name: entry.name, kind };
    }
  },
  listDir: (path) => files.readDir(path),
  mkdir: (path) => on("make the directory", path, () => Deno.mkdirSync(path, { recursive: true })),
  rename: (from, to) => on("rename to", to, () => Deno.renameSync(from, to)),
  remove: (path) => remove(path, { recursive: false }),
  removeTree: (path) => remove(path, { recursive: true }),
};

function remove(path: string, options: Deno.RemoveOptions): void {
  try {
    Deno.removeSync(path, options);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return;
    throw from(thrown, { action: "remove", object: path, fallback: "io" });
  }
}

function kindName(kind: FileInfo["kind"]): string {
  return kind === "other" ? "FIFO, socket or device" : kind;
}

/** The Deno connection behind ours, for putting TLS on it. */
const raw = new WeakMap<Connection, Deno.TcpConn>();

function connection(conn: Deno.TcpConn | Deno.TlsConn): Connection {
  let open = true;
  return {
    ...(conn.remoteAddr.transport === "tcp" && { remoteAddress: conn.remoteAddr.hostname }),
    read: (into) => conn.read(into),
    write: (bytes) => conn.write(bytes),
    close() {
      if (!open) return;
      open = false;
      try {
        conn.close();
      } catch { /* the other side may have closed it already */ }
    },
  };
}

function dialled<T>(to: string, dial: () => Promise<T>): Promise<T> {
  return dial().catch((thrown) => {
    throw from(thrown, { action: "connect to", fallback: "network", object: to });
  });
}

const network: Network = {
  connect: (hostname, port, signal) =>
    dialled(`${hostname}:${port}`, async () => {
      const conn = await Deno.connect({ hostname, port, ...(signal === undefined ? {} : { signal }) });
      // Requests are written in one piece, so Nagle's delay would only hold back the last part of a body.
      conn.setNoDelay(true);
      const ours = connection(conn);
      raw.set(ours, conn);
      return ours;
    }),
  async connectTls(hostname, port, options) {
    return await network.startTls(await network.connect(hostname, port, options.signal), hostname, options);
  },
  startTls: (plain, hostname, options: TlsOptions) =>
    dialled(hostname, async () => {
      const conn = raw.get(plain);
      if (conn === undefined) {
        throw cannot("start TLS", { internal: "not a plain connection" });
      }
      const tls = await Deno.startTls(conn, {
        hostname,
        caCerts: addedCertificates(options.caCerts),
        alpnProtocols: ["http/1.1"],
      });
      const ours = connection(tls);
      options.signal?.addEventListener("abort", ours.close);
      try {
        await tls.handshake();
        return ours;
      } catch (thrown) {
        ours.close();
        throw thrown;
      } finally {
        options.signal?.removeEventListener("abort", ours.close);
      }
    }),
};

function randomHex(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(Math.ceil(length / 2)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, length);
}

/** The machine. */
export const sys: System = {
  clock,
  files,
  network,
  openProcess: async (pid) => (await import("./pidfd.ts")).openProcess(pid),
  randomHex,
  random: Math.random,
};

/** Writes text to standard error, all of it. Where nobody reads it any more, or its disk is full, a run goes on all the same. */
export function writeStderr(text: string): void {
  try {
    writeAll(Deno.stderr, text);
  } catch { /* there is nowhere left to say so */ }
}

/** Writes text to standard output, all of it. */
export function writeStdout(text: string): void {
  writeAll(Deno.stdout, text);
}

/**
 * Reads standard input to its end.
 *
 * @throws CopilotError `input` where it is larger than `maxBytes`
 */
export function readStdin(maxBytes: number): Uint8Array {
  const buffer = new Uint8Array(64 * 1024);
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (let count = Deno.stdin.readSync(buffer); count !== null; count = Deno.stdin.readSync(buffer)) {
    chunks.push(buffer.slice(0, count));
    total += count;
    if (total > maxBytes) {
      throw cannot("read standard input", { input: `it is larger than ${maxBytes} bytes` });
    }
  }
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function writeAll(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}

/** What the program runs on. */
export const RUNTIME = { deno: Deno.version.deno, os: Deno.build.os, arch: Deno.build.arch };

/** Lets the process live until it ends itself: somebody who waits for a signal or a promise is not enough for that. */
export function stayAlive(): void {
  setInterval(() => {}, MAX_TIMER_MS);
}

/** Whether a person is looking at standard error. */
export function stderrIsTerminal(): boolean {
  return Deno.stderr.isTerminal();
}

/** Columns of the terminal that standard output is; null where it is none. */
export function stdoutColumns(): number | null {
  return Deno.stdout.isTerminal() ? terminalColumns() : null;
}

/** Columns of the terminal; some tell 0, which is no width. */
export function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS;
  }
}

/** Bytes of memory that the process holds. */
export function residentBytes(): number {
  return Deno.memoryUsage().rss;
}

/** Bytes that this user may still write to the file system that a path is on. */
export function freeBytes(path: string): number {
  return on("look for room in", path, () => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  });
}

/** Whether this is the first process of its PID namespace. */
export function isFirstProcess(): boolean {
  return Deno.pid === 1;
}

/** The directory that relative paths are relative to. */
export function workingDirectory(): string {
  return Deno.cwd();
}
