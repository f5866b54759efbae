/**
 * What a command's end means: the exit status to end with, and what the error document says.
 * @module
 */
import { ErrorKind, ErrorOrigin } from "../flyte/types.ts";
import type { RunFailure } from "../flyte/codec/error_document.ts";
import type { ChildEnd } from "../system/mod.ts";

/** How a command ended. */
export interface Ending {
  /** As a shell has it: the exit status, or 128 and the signal's number. */
  status: number;
  /** Null for an exit status of 0. */
  failure: RunFailure | null;
}

/** Exit statuses of a command that did not start, as shells have them. */
export const NOT_FOUND = 127;
/** Found, but not to be executed. */
export const NOT_EXECUTABLE = 126;

/** Numbers of the signals that are passed on and end a process, on every architecture that copilot is built for. */
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
};

/** What is known besides the end itself. */
export interface EndingFacts {
  /** The program, as messages call it. Never its arguments, which may hold secrets. */
  program: string;
  /** Processes that the kernel has killed for memory since the command began. */
  oomKills: number;
  /** The memory limit in bytes; null where none is known. */
  memoryLimitBytes: number | null;
}

/** The end of a command that ran. */
export function endingOf(end: ChildEnd, facts: EndingFacts): Ending {
  if (end.code === 0 && end.signal === null) return { status: 0, failure: null };
  const number = end.signal === null ? end.code - 128 : SIGNAL_NUMBERS[end.signal] ?? end.code - 128;
  const status = end.signal === null ? end.code : 128 + number;
  const how = end.signal === null
    ? `exited with status ${end.code}`
    : `was ended by ${end.signal}, exit status ${status}`;
  const what = `The command "${facts.program}" ${how}`;
  const failure = (code: string, why: string, origin: number): Ending => ({
    status,
    failure: { code, message: `${what}${why}`, kind: ErrorKind.RECOVERABLE, origin },
  });
  // A shell reports a killed child as 128 + 9.
  if (facts.oomKills > 0 && number === SIGNAL_NUMBERS["SIGKILL"]) {
    const limit = facts.memoryLimitBytes === null ? "" : `, the limit is ${facts.memoryLimitBytes} bytes`;
    return failure("OOMKilled", `: the kernel killed it for memory${limit}`, ErrorOrigin.USER);
  }
  const sent = [...end.passedOn].find((name) => SIGNAL_NUMBERS[name] === number);
  if (sent !== undefined) {
    const why = `: it was stopped from outside, copilot was sent ${sent} and passed it on`;
    return failure("CommandInterrupted", why, ErrorOrigin.SYSTEM);
  }
  const beside = facts.oomKills > 0
    ? `; the kernel killed ${facts.oomKills} of its processes for memory meanwhile`
    : "";
  return failure("CommandFailed", beside, ErrorOrigin.USER);
}

/** The end of a command that could not be started. @param code the error's */
export function notStarted({ code, message }: { code: string; message: string }): Ending {
  return {
    status: code === "not-found" ? NOT_FOUND : NOT_EXECUTABLE,
    failure: {
      code: "CommandNotStarted",
      message,
      // The same image will not have it the next time either.
      kind: ErrorKind.NON_RECOVERABLE,
      origin: ErrorOrigin.USER,
    },
  };
}
