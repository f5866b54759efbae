/**
 * Runs the compiled binary, kills it where that is asked for, and says what came of it.
 * @module
 */
import { ACCESS_KEY, REGION, SECRET_KEY } from "./bucket.ts";

const PEAK_INTERVAL_MS = 10;

/** A run. */
export interface RunOptions {
  binary: string;
  /** URL of the store or of a proxy in front of it; empty for the file store. */
  endpoint: string;
  /** Command and flags, without those of the store. */
  args: readonly string[];
  /** Milliseconds after which a run is taken for one that hangs. */
  boundMs: number;
  env?: Record<string, string>;
  /** A signal that the run gets on its way. */
  kill?: { signal: Deno.Signal; afterMs: number };
  /** User and group that it runs as; needs root. */
  uid?: number;
}

/** What came of a run. */
export interface Outcome {
  /** Exit status, or 128 and the number of the signal that ended it. */
  code: number;
  stdout: string;
  stderr: string;
  ms: number;
  /** The most memory that it had resident, in bytes, as seen a few milliseconds before its end. */
  peakBytes: number;
  /** It had to be ended from outside. */
  hung: boolean;
}

/** The flags that Flyte's plugin gives for a store of its own. */
export function storeFlags(endpoint: string): string[] {
  const settings = {
    auth_type: "accesskey",
    access_key_id: ACCESS_KEY,
    secret_key: SECRET_KEY,
    region: REGION,
    disable_ssl: "true",
    endpoint,
  };
  const flags = ["--storage.type=stow", "--storage.stow.kind=s3", "--logger.level=5"];
  for (const [name, value] of Object.entries(settings)) {
    flags.push("--storage.stow.config", `${name}=${value}`);
  }
  return flags;
}

/** Runs the binary to its end. */
export async function runCopilot(options: RunOptions): Promise<Outcome> {
  const { binary, endpoint, args, boundMs, env = {}, kill, uid } = options;
  const [command, ...flags] = args;
  const startMs = performance.now();
  const child = new Deno.Command(binary, {
    args: [command!, ...(endpoint === "" ? [] : storeFlags(endpoint)), ...flags],
    env: { NO_COLOR: "1", HOME: "/nonexistent", ...env },
    clearEnv: true,
    stdout: "piped",
    stderr: "piped",
    stdin: "null",
    ...(uid === undefined ? {} : { uid, gid: uid }),
  }).spawn();
  let peakBytes = 0;
  const watch = setInterval(() => peakBytes = Math.max(peakBytes, peakOf(child.pid)), PEAK_INTERVAL_MS);
  let hung = false;
  const timers = [setTimeout(() => {
    hung = true;
    send(child, "SIGKILL");
  }, boundMs)];
  if (kill !== undefined) timers.push(setTimeout(() => send(child, kill.signal), kill.afterMs));
  const { code, stdout, stderr } = await child.output();
  for (const timer of timers) clearTimeout(timer);
  clearInterval(watch);
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
    ms: performance.now() - startMs,
    peakBytes,
    hung,
  };
}

/** The kernel's own mark of the most memory; 0 for a process that is gone. */
function peakOf(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function send(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch { /* it has just ended */ }
}
