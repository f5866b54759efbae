/**
 * The number that the PID namespace has given last: as long as it stays the same no process has come. One small file, which is read
 * forty times a second, spares a look at all processes.
 *
 * /proc/sys/kernel/ns_last_pid is the kernel's own. Where a kernel lacks it the last field of /proc/loadavg says the same, but there
 * something else may stand in its place (lxcfs, gVisor) that stands still or lags, so that is relied on only once it has been seen
 * to move with a process that came.
 * @module
 */
import type { Files, OpenFile } from "../../../system/mod.ts";

const SYSCTL = "/proc/sys/kernel/ns_last_pid";
const LOADAVG = "/proc/loadavg";

const decoder = new TextDecoder();

/** More new pids than this are found by a look at all processes, which costs less then. */
const MAX_NEW_PIDS = 256;

/** Pids after one number up to another; null where they are too many, or have begun again from below. */
export function pidsBetween(before: number | null, after: number | null): number[] | null {
  if (before === null || after === null || after < before || after - before > MAX_NEW_PIDS) return null;
  return Array.from({ length: after - before }, (_, index) => before + 1 + index);
}

/** Reads the number. */
export class NewestPid {
  readonly #files: Files;
  readonly #buffer = new Uint8Array(128);
  /** The text that was read last. */
  readonly #last = new Uint8Array(128);
  #lastLength = -1;
  #file: OpenFile | null = null;
  #trust: "kernel" | "unproven" | "proven" | "refuted" | "none" = "none";

  constructor(files: Files) {
    this.#files = files;
    this.#open();
  }

  /** Whether a number that stays the same proves that no process has come. */
  get isTrusted(): boolean {
    return this.#trust === "kernel" || this.#trust === "proven";
  }

  /** Whether the number is another one than at the last {@linkcode read}; true where that is not known. Costs less than reading it. */
  hasMoved(): boolean {
    const length = this.#fill();
    if (length === null || length !== this.#lastLength) return true;
    for (let at = 0; at < length; at++) if (this.#buffer[at] !== this.#last[at]) return true;
    return false;
  }

  /** The number; null where it cannot be read. */
  read(): number | null {
    const text = this.#text();
    const number = this.#trust === "kernel" ? text?.trim() : text?.trim().split(" ")[4];
    return number !== undefined && /^\d{1,10}$/.test(number) ? Number(number) : null;
  }

  /** A process has come, as a look at all of them shows. @param before, after the numbers read before it was seen and now */
  cameProcess(pid: number, before: number | null, after: number | null): void {
    if (this.#trust !== "unproven" || before === null || after === null) return;
    this.#trust = after !== before && after >= pid ? "proven" : "refuted";
  }

  /** Lets go of the file, which is opened again when it is asked for. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #open(): void {
    for (const [path, trust] of [[SYSCTL, "kernel"], [LOADAVG, "unproven"]] as const) {
      try {
        this.#file = this.#files.openRead(path);
        if (this.#trust === "none") this.#trust = trust;
        return;
      } catch { /* not this kernel's */ }
    }
  }

  #text(): string | undefined {
    const length = this.#fill();
    if (length === null) return undefined;
    this.#last.set(this.#buffer);
    this.#lastLength = length;
    return decoder.decode(this.#buffer.subarray(0, length));
  }

  /** Reads the file's text into the buffer; null where that fails. */
  #fill(): number | null {
    try {
      if (this.#file === null) this.#open();
      this.#file!.seek(0);
      return this.#file!.read(this.#buffer) ?? 0;
    } catch {
      return null;
    }
  }
}
