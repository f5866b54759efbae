/**
 * How much memory the container has, as its cgroup says.
 * @module
 */
import type { Files } from "./system.ts";

/** What Flyte gives a copilot container, and what is assumed where no limit is set. */
const DEFAULT_BYTES = 128 * 1024 * 1024;
/** More than this is no use to copilot. */
const MAX_BYTES = 1024 * 1024 * 1024;

const LIMIT_FILES = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/** The memory limit of this container in bytes: cgroup v2, then v1, else Flyte's default. */
export function memoryLimitBytes(files: Files): number {
  for (const path of LIMIT_FILES) {
    try {
      const bytes = Number(new TextDecoder().decode(files.readHead(path, 64)).trim());
      // cgroup v1 says 2^63 less a page for "no limit", v2 says "max".
      if (Number.isFinite(bytes) && bytes > 0 && bytes < 2 ** 50) return Math.min(bytes, MAX_BYTES);
    } catch { /* the other version's file, or none */ }
  }
  return DEFAULT_BYTES;
}
