/**
 * Processes held by the kernel's handles, pidfd_open(2). The runtime knows only processes that it has started itself, so five
 * functions of the C library are called directly. Waiting costs nothing that way, where looking at /proc five times a second costs
 * 0.3 % of a core, and main's end is known within a millisecond or two, with its exit code.
 * @module
 */
import type { ProcessHandle } from "./mod.ts";

/** All are called on a thread of their own: a wait must not hold the program up, and calls on the own thread load a compiler. */
const FUNCTIONS = {
  syscall: { parameters: ["i64", "i64", "i64"], result: "i64", nonblocking: true },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32", nonblocking: true },
  close: { parameters: ["i32"], result: "i32", nonblocking: true },
  prctl: { parameters: ["i32", "u64"], result: "i32", nonblocking: true },
} as const;

/** The number of pidfd_open on every architecture. */
const PIDFD_OPEN = 434;

/** poll(2): a process's handle can be read from once the process has ended. */
const POLLIN = 1;

/** prctl(2): whether others of the same user may look into this process. */
const PR_SET_DUMPABLE = 4;

/** A wait is not given up in the middle, so each one is short enough for a handle that is closed meanwhile. */
const WAIT_MS = 5000;

/** PIDFD_GET_INFO for the first version of `struct pidfd_info`, its 64 bytes, and where the exit status is in them. */
const PIDFD_GET_INFO = 0xc040ff0b;
const INFO_BYTES = 64;
const INFO_STATUS_AT = 60;
const PIDFD_INFO_EXIT = 8n;

type Library = Deno.DynamicLibrary<typeof FUNCTIONS>;

class Pidfd implements ProcessHandle {
  readonly #libc: Library;
  readonly #fd: number;
  #calls = 0;
  #isClosed = false;

  constructor(libc: Library, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  async ended(): Promise<boolean> {
    const entry = new Uint8Array(8);
    const view = new DataView(entry.buffer);
    view.setInt32(0, this.#fd, true);
    view.setInt16(4, POLLIN, true);
    while (!this.#isClosed) {
      const count = await this.#call(this.#libc.symbols.poll(entry, 1n, WAIT_MS));
      if (count !== 0) return count > 0;
    }
    return false;
  }

  async waitStatus(): Promise<number | "pending" | null> {
    if (this.#isClosed) return null;
    const info = new Uint8Array(INFO_BYTES);
    const view = new DataView(info.buffer);
    view.setBigUint64(0, PIDFD_INFO_EXIT, true);
    const result = await this.#call(this.#libc.symbols.ioctl(this.#fd, BigInt(PIDFD_GET_INFO), info));
    if (result !== 0) return null;
    return (view.getBigUint64(0, true) & PIDFD_INFO_EXIT) === 0n
      ? "pending"
      : view.getInt32(INFO_STATUS_AT, true);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
  }

  async #call<T>(call: Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await call;
    } finally {
      this.#calls--;
      if (this.#isClosed) this.#release();
    }
  }

  /** Closes the descriptor once no thread uses it: its number may be somebody else's a moment later. */
  #release(): void {
    if (this.#calls === 0) this.#libc.symbols.close(this.#fd).then(() => this.#libc.close());
  }
}

/** Holds a process; see {@linkcode ProcessHandle}. */
export async function openProcess(pid: number): Promise<ProcessHandle | null> {
  let libc: Library;
  try {
    libc = Deno.dlopen("libc.so.6", FUNCTIONS);
  } catch {
    return null;
  }
  // In a shared namespace main may run as this process's user: it gets neither its memory nor its environment to read.
  await libc.symbols.prctl(PR_SET_DUMPABLE, 0n);
  const fd = Number(await libc.symbols.syscall(BigInt(PIDFD_OPEN), BigInt(pid), 0n));
  if (fd >= 0) return new Pidfd(libc, fd);
  libc.close();
  return null;
}
