/**
 * What the program needs from the machine, as interfaces: the clock, files, sockets.
 *
 * `deno.ts` implements them with Deno; tests implement them with ten-line fakes. File operations are synchronous on
 * purpose: a write into the page cache costs less than the promise around it, and each run has one thing to do.
 * @module
 */

/** Time. Tests advance it by hand; nothing else in the program reads a clock or sets a timer. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Milliseconds on a clock that never jumps, for intervals. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds; rejects with CopilotError `aborted` as soon as `signal` fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `tick` every `ms` milliseconds until the returned function is called. Never keeps the process alive. */
  every(ms: number, tick: () => void): () => void;
}

/** One end of a TCP or TLS connection. */
export interface Connection {
  /** The address that was connected to, where it is known. */
  readonly remoteAddress?: string;
  /** Reads at most `into.length` bytes; null at the end of the stream. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes` and returns how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Closes at once; pending reads and writes reject. Closing twice is no error. */
  close(): void;
}

/** How a TLS connection is checked. */
export interface TlsOptions {
  /** PEM certificates trusted besides the system's. */
  caCerts: string[];
  /** Gives the handshake up. */
  signal?: AbortSignal;
}

/** Dialling out. */
export interface Network {
  /** Opens a TCP connection; the signal gives it up. */
  connect(hostname: string, port: number, signal?: AbortSignal): Promise<Connection>;
  /** Opens a TLS connection and checks the certificate against `hostname`; speaks HTTP/1.1. */
  connectTls(hostname: string, port: number, options: TlsOptions): Promise<Connection>;
  /** Puts TLS on a connection that a proxy has opened to `hostname`. */
  startTls(connection: Connection, hostname: string, options: TlsOptions): Promise<Connection>;
}

/** What a name in the file system is. */
export interface FileInfo {
  kind: "file" | "directory" | "symlink" | "other";
  /** Bytes. */
  size: number;
  /** Milliseconds since 1970; null where the file system does not say. */
  mtimeMs: number | null;
  /** Device and inode: the same file under another name has the same pair. */
  dev: number;
  ino: number;
  /** Permission bits. */
  mode: number;
}

/** An open file. Offsets and lengths are bytes. */
export interface OpenFile {
  /** Reads at the current offset; null at the end. */
  read(into: Uint8Array): number | null;
  /** Writes all of `bytes` at the current offset. */
  write(bytes: Uint8Array): void;
  /** Sets the current offset. */
  seek(offset: number): void;
  /** Sets the file's length. */
  truncate(length: number): void;
  stat(): FileInfo;
  close(): void;
}

/** The file system. Paths are absolute or relative to the working directory; errors are CopilotErrors that name the path. */
export interface Files {
  /** Opens for reading; refuses with `path` anything but a regular file, and never blocks on a FIFO. */
  openRead(path: string): OpenFile;
  /** Creates a new file for reading and writing; fails if the name exists, and never follows a symlink. */
  createNew(path: string, mode: number): OpenFile;
  /** The whole file; an error `input` when it is larger than `maxBytes`. */
  readFile(path: string, maxBytes: number): Uint8Array;
  /** At most the first `maxBytes` of any readable file, also of /proc, whose sizes are 0. */
  readHead(path: string, maxBytes: number): Uint8Array;
  /** Null where nothing is. Does not follow a symlink at the end of the path. */
  lstat(path: string): FileInfo | null;
  /** Null where nothing is. Follows symlinks. */
  stat(path: string): FileInfo | null;
  /** Whether something is there. For what is often not there: costs a fraction of a {@linkcode stat} that finds nothing. */
  exists(path: string): boolean;
  /** The canonical path behind all symlinks. */
  realPath(path: string): string;
  /**
   * Names and kinds of a directory's entries, in the order of the directory, which is read as a whole. Names that are not UTF-8 are
   * passed over: for directories of the run's own.
   */
  readDir(path: string): Iterable<{ name: string; kind: FileInfo["kind"] }>;
  /**
   * The same of a directory that anybody may have filled, in pieces where the machine can do that.
   *
   * @param onForeign called for a name that is not UTF-8, with its bytes in a form that can be shown; what it throws ends the listing
   */
  listDir(
    path: string,
    onForeign: (shown: string) => void,
  ): Iterable<{ name: string; kind: FileInfo["kind"] }>;
  /** Makes a directory and its parents; one that is there already is no error. */
  mkdir(path: string): void;
  /** Renames within one file system, replacing what is there. */
  rename(from: string, to: string): void;
  /** Removes a file or an empty directory; nothing there is no error. */
  remove(path: string): void;
  /**
   * Removes a file, or a directory with all that is in it, names that are not UTF-8 included. Works on handles: a symlink is removed
   * and not followed, also one that takes the place of a directory meanwhile. Nothing there is no error.
   */
  removeTree(path: string): void;
}

/** A process that this one has not started, held by a handle of the kernel's: whatever takes its pid later is not meant. */
export interface ProcessHandle {
  /** Resolves to true once the process has ended, to false when that cannot be waited for any more: closed, or an error. */
  ended(): Promise<boolean>;
  /**
   * How it ended, as waitpid(2) has it: the exit code in the second byte, the signal in the lowest seven bits. `pending` while it
   * runs and until its parent has taken note, null where the kernel does not tell (Linux before 6.15).
   */
  waitStatus(): Promise<number | "pending" | null>;
  /** Closing twice is no error. */
  close(): void;
}

/** Signals by their names. */
export type SignalName =
  | "SIGHUP"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGTERM"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGWINCH"
  | "SIGCONT";

/** A program to start. */
export interface ChildSpec {
  /** The program, looked for on PATH unless it has a slash, and its arguments; at least one. */
  argv: readonly string[];
  /** Environment variables besides those of this process. */
  env: Readonly<Record<string, string>>;
  /** Default: this process's own. */
  cwd?: string | undefined;
}

/** How a child ended. */
export interface ChildEnd {
  /** Its exit status; 128 and the signal's number where a signal has ended it. */
  code: number;
  /** The signal that has ended it, such as `SIGKILL`. */
  signal: string | null;
  /** Signals that this process was sent and has passed on. */
  passedOn: ReadonlySet<SignalName>;
}

/** A process that this one has started. */
export interface Child {
  pid: number;
  ended: Promise<ChildEnd>;
}

/** Starts a child, and passes it the signals that this process gets from then on. */
export interface ChildLauncher {
  /** @throws CopilotError `not-found` for a program that is not there, `denied` for one that may not be run, else `io` */
  start(spec: ChildSpec): Child;
  /** Leaves signals to this process again. */
  close(): void;
}

/** The duties of process 1 in its PID namespace: it takes note of every orphan that has ended, as it ends. */
export interface Reaper {
  /** Kills every other process of the namespace, as the kernel does when process 1 ends, and waits until they are gone. */
  endOthers(): Promise<void>;
  close(): void;
}

/** All of it. */
export interface System {
  clock: Clock;
  files: Files;
  network: Network;
  /** Holds a process; null where it is gone, or where the machine cannot do this (Linux before 5.3, no right to load libraries). */
  openProcess(pid: number): Promise<ProcessHandle | null>;
  /** A random string of `length` lower-case hexadecimal digits. */
  randomHex(length: number): string;
  /** A random number in [0, 1). */
  random(): number;
}
