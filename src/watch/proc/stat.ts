/**
 * The text of /proc/PID/stat.
 * @module
 */

/** What identifies a process: its pid together with its start time, because pids are used again. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks between the machine's boot and the process's start: field 22. */
  startTicks: number;
}

/** A process at one look. */
export interface ProcessStat extends ProcessIdentity {
  /** The program's name, at most 15 bytes, any characters. */
  comm: string;
  /** One letter: `R`, `S`, `D`, `T`, `Z`, … */
  state: string;
  /** 0 for the first process of a container and for every exec into one. */
  parentPid: number;
  threads: number;
}

/**
 * Parses the one line of /proc/PID/stat.
 *
 * The name stands in parentheses and may hold blanks, parentheses and line ends itself, so the last `)` ends it.
 *
 * @returns null for anything that is not such a line
 */
export function parseStat(text: string): ProcessStat | null {
  const open = text.indexOf(" (");
  const close = text.lastIndexOf(")");
  if (open < 1 || close < open) return null;
  const pid = count(text.slice(0, open));
  // The third field is the first one here, so the n-th of proc(5) has the index n - 3.
  const fields = text.slice(close + 2).split(" ");
  const state = fields[0];
  const parentPid = count(fields[1]);
  const threads = count(fields[17]);
  const startTicks = count(fields[19]);
  if (pid === null || pid === 0 || parentPid === null || threads === null || startTicks === null) return null;
  if (state === undefined || !/^[A-Za-z]$/.test(state)) return null;
  return { pid, comm: text.slice(open + 2, close), state, parentPid, threads, startTicks };
}

function count(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/**
 * Whether a process still does something. A zombie does not, unless only its first thread has ended: then the state says `Z` while
 * the other threads run on.
 */
export function isRunning(stat: ProcessStat): boolean {
  return !/^[ZXx]$/.test(stat.state) || stat.threads > 1;
}

/** Whether two looks saw the same process. */
export function isSame(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return one.pid === other.pid && one.startTicks === other.startTicks;
}

/**
 * Whether a process names itself as a stage of a container's runtime (`runc:[2:INIT]`, `sysbox-runc:[2:`), which has not become the
 * container's program yet. Others have other names (crun shows as `3`), so this alone proves nothing.
 */
export function isRuntimeStage({ comm }: { comm: string }): boolean {
  return /^[a-z-]+:\[\d:/.test(comm);
}
