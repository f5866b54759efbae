/**
 * How many processes the kernel has killed for memory in this process's own cgroup.
 * @module
 */
import { headText } from "../system/head_text.ts";
import type { Files, OpenFile } from "../system/mod.ts";

/** More than the kernel writes. */
const MAX_BYTES = 64 * 1024;

/** The files of the counter and of the limit in each version of cgroups, and where each version is mounted. */
const VERSIONS = [
  { controller: /^0::(.*)$/m, mount: "/sys/fs/cgroup", file: "memory.events", limit: "memory.max" },
  {
    controller: /^\d+:memory:(.*)$/m,
    mount: "/sys/fs/cgroup/memory",
    file: "memory.oom_control",
    limit: "memory.limit_in_bytes",
  },
] as const;

/** The counter, held open: the right to open files below /sys is given up before the command has ended. */
export class OomKills {
  /** The memory limit in bytes; null where none is known. */
  readonly limitBytes: number | null;
  readonly #file: OpenFile | null;
  readonly #before: number;

  private constructor(file: OpenFile | null, limitBytes: number | null) {
    this.#file = file;
    this.limitBytes = limitBytes;
    this.#before = this.#read();
  }

  /** Opens it; where it cannot be found no kill is ever seen. */
  static open(files: Files): OomKills {
    const own = headText(files, "/proc/self/cgroup", MAX_BYTES) ?? "";
    for (const { controller, mount, file, limit } of VERSIONS) {
      const path = controller.exec(own)?.[1];
      if (path === undefined) continue;
      // Within a container the own cgroup is often the root of what is mounted, whatever its path says.
      for (const directory of [`${mount}${path.replace(/\/$/, "")}`, mount]) {
        const opened = openOrNull(files, `${directory}/${file}`);
        if (opened !== null) {
          return new OomKills(opened, limitIn(headText(files, `${directory}/${limit}`, MAX_BYTES) ?? ""));
        }
      }
    }
    return new OomKills(null, null);
  }

  /** Kills since {@linkcode open}. */
  get count(): number {
    return Math.max(0, this.#read() - this.#before);
  }

  close(): void {
    this.#file?.close();
  }

  #read(): number {
    if (this.#file === null) return 0;
    const buffer = new Uint8Array(1024);
    this.#file.seek(0);
    const length = this.#file.read(buffer) ?? 0;
    const text = new TextDecoder().decode(buffer.subarray(0, length));
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  }
}

/** Version 1 writes "no limit" as the largest number of pages, version 2 as `max`. */
function limitIn(text: string): number | null {
  const bytes = /^\d+$/.test(text.trim()) ? Number(text) : Infinity;
  return bytes < 2 ** 60 ? bytes : null;
}

function openOrNull(files: Files, path: string): OpenFile | null {
  try {
    return files.stat(path) === null ? null : files.openRead(path);
  } catch {
    return null;
  }
}
