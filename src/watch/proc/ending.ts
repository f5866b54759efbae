/**
 * How main ended, from what the kernel tells about its first process.
 * @module
 */
import type { Exit } from "../watcher.ts";

/** What is known of an end. */
export interface EndSigns {
  /** As waitpid(2) has it; null where it is not known. */
  waitStatus: number | null;
  /** Whether something of the container was killed for memory as it ended. */
  outOfMemory: boolean;
  /** Bytes; null where there is no limit, or it cannot be read. */
  limitBytes: number | null;
}

/**
 * The end of a container.
 *
 * A first process that ended with 0 has ended well, whatever was killed beside it: it knew, and went on.
 *
 * @param container its name for people
 */
export function exitOf(
  container: string,
  { waitStatus, outOfMemory, limitBytes }: EndSigns,
): Omit<Exit, "by"> {
  if (waitStatus === 0) {
    return {
      outcome: "ended",
      exitCode: 0,
      reason: "Completed",
      message: `Container ${container} has ended`,
    };
  }
  const status = waitStatus === null ? {} : { exitCode: exitCodeOf(waitStatus) };
  if (outOfMemory) {
    const limit = limitBytes === null ? "" : `, memory limit ${limitBytes} bytes`;
    const message = `Container ${container} was out of memory${limit}`;
    return { outcome: "failed", ...status, reason: "OOMKilled", message };
  }
  if (waitStatus === null) return { outcome: "ended", message: `Container ${container} has ended` };
  const signal = signalOf(waitStatus);
  const how = signal === 0 ? "failed" : `was killed by signal ${signal}${signal === 9 ? MAYBE_MEMORY : ""}`;
  return { outcome: "failed", ...status, reason: "Error", message: `Container ${container} ${how}` };
}

/** Where the memory events cannot be read SIGKILL is all that is known. */
const MAYBE_MEMORY = ", which is also what the kernel does to a container that is out of memory";

function signalOf(waitStatus: number): number {
  return waitStatus & 0x7f;
}

/** The exit code as shells and Kubernetes count it: 128 and the signal where there was one. */
function exitCodeOf(waitStatus: number): number {
  const signal = signalOf(waitStatus);
  return signal === 0 ? (waitStatus >> 8) & 0xff : 128 + signal;
}
