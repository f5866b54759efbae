/**
 * The container that copilot lives in: 128 MiB and half a CPU, as a cgroup of version 1 or 2. Needs root.
 * @module
 */

const MEMORY_BYTES = 128 * 1024 * 1024;
const QUOTA_US = 50_000;
const PERIOD_US = 100_000;
const ROOT = "/sys/fs/cgroup";
const NAME = "copilot-bench";

/** A cgroup that is there until it is closed. */
export interface Limits {
  /** Directories whose `cgroup.procs` takes a process. */
  directories: string[];
  close(): void;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== null;
  } catch {
    return false;
  }
}

function make(directory: string, files: Record<string, string>): string {
  Deno.mkdirSync(directory, { recursive: true });
  for (const [name, value] of Object.entries(files)) Deno.writeTextFileSync(`${directory}/${name}`, value);
  return directory;
}

/** Makes the cgroup. @returns why it cannot be made, as text */
export function makeLimits(): Limits | string {
  const close = (directories: string[]) => ({
    directories,
    close() {
      for (const directory of directories) if (exists(directory)) Deno.removeSync(directory);
    },
  });
  try {
    if (exists(`${ROOT}/cgroup.controllers`)) {
      Deno.writeTextFileSync(`${ROOT}/cgroup.subtree_control`, "+memory +cpu");
      const limits = { "memory.max": String(MEMORY_BYTES), "cpu.max": `${QUOTA_US} ${PERIOD_US}` };
      return close([make(`${ROOT}/${NAME}`, limits)]);
    }
    return close([
      make(`${ROOT}/memory/${NAME}`, { "memory.limit_in_bytes": String(MEMORY_BYTES) }),
      make(`${ROOT}/cpu/${NAME}`, {
        "cpu.cfs_period_us": String(PERIOD_US),
        "cpu.cfs_quota_us": String(QUOTA_US),
      }),
    ]);
  } catch (error) {
    return `no cgroup can be made: ${(error as Error).message}`;
  }
}
