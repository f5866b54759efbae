/**
 * How much memory there is to use, as the cgroup or the machine says.
 * @module
 */
import { headText } from "./head_text.ts";
import type { Files } from "./mod.ts";

/** What the program itself needs before it holds documents or moves objects: V8, the runtime. Measured. */
export const PROGRAM_BYTES = 80 * 1024 * 1024;

/** What Flyte gives a copilot container, and what is assumed where no limit is set. */
const DEFAULT_BYTES = 128 * 1024 * 1024;
/** More than this is no use to copilot. */
const MAX_BYTES = 1024 * 1024 * 1024;

const LIMIT_FILES = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/** The part of what the machine has left that documents may have where no limit is set. */
const DOCUMENTS_PART = 1 / 4;

/** What a process may use, in bytes. */
export interface MemoryLimits {
  /** With buffers for data: more are filled, the more there is. */
  memoryLimitBytes: number;
  /** With documents, which are refused where they take more. */
  documentLimitBytes: number;
}

/**
 * The memory limits of this container: its cgroup's, v2, then v1. Where none is set, Flyte's default for buffers, and for documents
 * no less than a quarter of what the machine has available: nothing ends a process for taking that.
 */
export function memoryLimits(files: Files): MemoryLimits {
  for (const path of LIMIT_FILES) {
    const bytes = Number(headText(files, path, 64)?.trim());
    // cgroup v1 says 2^63 less a page for "no limit", v2 says "max".
    if (Number.isFinite(bytes) && bytes > 0 && bytes < 2 ** 50) return sameLimits(Math.min(bytes, MAX_BYTES));
  }
  const available = Number(
    /^MemAvailable: +(\d+) kB$/m.exec(headText(files, "/proc/meminfo", 4096) ?? "")?.[1] ?? 0,
  );
  const part = Math.floor(available * 1024 * DOCUMENTS_PART);
  return {
    memoryLimitBytes: DEFAULT_BYTES,
    documentLimitBytes: Math.max(DEFAULT_BYTES, Math.min(part, MAX_BYTES)),
  };
}

/** One limit for both. */
export function sameLimits(bytes: number): MemoryLimits {
  return { memoryLimitBytes: bytes, documentLimitBytes: bytes };
}
