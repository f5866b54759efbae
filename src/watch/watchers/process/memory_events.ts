/**
 * Whether the kernel has killed something in main's memory limit, where that can be read: main's own cgroup files are reached
 * through /proc/PID/root, which needs the same user and group as main, or SYS_PTRACE.
 * @module
 */
import { headText } from "../../../system/head_text.ts";
import type { Files, OpenFile } from "../../../system/mod.ts";

/** The counter of each cgroup version, and the limit beside it. */
const PLACES = [
  { events: "memory.events", limit: "memory.max" },
  { events: "memory/memory.oom_control", limit: "memory/memory.limit_in_bytes" },
] as const;

/** A kill counts for main's end when it is seen this late or later. */
const RECENT_MS = 2000;

/** The machine's own count of kills, readable by everyone. */
const MACHINE = "/proc/vmstat";

/** Main's count of OOM kills, held open so that it can still be read for a moment after main's end. */
export class MemoryEvents {
  /** Bytes; null where there is no limit. */
  readonly limitBytes: number | null;
  readonly #files: Files;
  readonly #file: OpenFile;
  #kills: number;
  #machineKills: number;
  #risenAtMs: number | null = null;
  #sampledAtMs: number;

  private constructor(
    { files, file }: { files: Files; file: OpenFile },
    options: { limitBytes: number | null; kills: number; nowMs: number },
  ) {
    this.#files = files;
    this.#file = file;
    this.#machineKills = readMachineKills(files);
    this.limitBytes = options.limitBytes;
    this.#kills = options.kills;
    this.#sampledAtMs = options.nowMs;
  }

  /** Null where the counter cannot be read. */
  static open(files: Files, pid: number, nowMs: number): MemoryEvents | null {
    for (const { events, limit } of PLACES) {
      const base = `/proc/${pid}/root/sys/fs/cgroup/`;
      let file: OpenFile | null = null;
      try {
        file = files.openRead(base + events);
        const kills = readKills(file);
        if (kills !== null) {
          return new MemoryEvents({ files, file }, {
            limitBytes: readLimit(files, base + limit),
            kills,
            nowMs,
          });
        }
      } catch { /* not allowed, or the other version's place */ }
      file?.close();
    }
    return null;
  }

  /** Looks at the counter, at most once a second. */
  sample(nowMs: number): void {
    if (nowMs - this.#sampledAtMs >= 1000) this.#look(nowMs);
  }

  /** Whether main's end came with a kill: one that is seen now or was just before. A child's end long ago is none. */
  killedAtEnd(nowMs: number): boolean {
    this.#look(nowMs);
    return this.#risenAtMs !== null && nowMs - this.#risenAtMs <= RECENT_MS;
  }

  close(): void {
    this.#file.close();
  }

  #look(nowMs: number): void {
    this.#sampledAtMs = nowMs;
    const machineKills = readMachineKills(this.#files);
    // Main's counter may be gone some 50 ms after main. A kill on the machine within the last second was then main's, as far as
    // anyone can know, and a failure that is tried again does less harm than half an output.
    const kills = readKills(this.#file) ?? (machineKills > this.#machineKills ? this.#kills + 1 : null);
    this.#machineKills = machineKills;
    if (kills === null || kills <= this.#kills) return;
    this.#kills = kills;
    this.#risenAtMs = nowMs;
  }
}

/** Infinity where it cannot be read, so that it never rises. */
function readMachineKills(files: Files): number {
  const match = /^oom_kill (\d+)$/m.exec(headText(files, MACHINE, 64 * 1024) ?? "");
  return match === null ? Infinity : Number(match[1]);
}

/** Null once the cgroup is gone. */
function readKills(file: OpenFile): number | null {
  const buffer = new Uint8Array(1024);
  try {
    file.seek(0);
    const length = file.read(buffer) ?? 0;
    const match = /^oom_kill (\d+)$/m.exec(new TextDecoder().decode(buffer.subarray(0, length)));
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}

function readLimit(files: Files, path: string): number | null {
  const text = headText(files, path, 64)?.trim() ?? "";
  const bytes = /^\d+$/.test(text) ? Number(text) : NaN;
  // Version 1 writes "no limit" as the largest number of pages.
  return bytes < 2 ** 60 ? bytes : null;
}
