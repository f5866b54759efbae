/**
 * Runs the compiled binary, kills it where that is asked for, and says what came of it.
 * @module
 */
import { ACCESS_KEY, REGION, SECRET_KEY } from "./bucket.ts";

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
}

/** What came of a run. */
export interface Outcome {
  /** Exit status, or 128 and the number of the signal that ended it. */
  code: number;
  stdout: string;
  stderr: string;
  ms: number;
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
  const { binary, endpoint, args, boundMs, env = {}, kill } = options;
  const [command, ...flags] = args;
  const startMs = performance.now();
  const child = new Deno.Command(binary, {
    args: [command!, ...(endpoint === "" ? [] : storeFlags(endpoint)), ...flags],
    env: { NO_COLOR: "1", HOME: "/nonexistent", ...env },
    clearEnv: true,
    stdout: "piped",
    stderr: "piped",
    stdin: "null",
  }).spawn();
  let hung = false;
  const timers = [setTimeout(() => {
    hung = true;
    send(child, "SIGKILL");
  }, boundMs)];
  if (kill !== undefined) timers.push(setTimeout(() => send(child, kill.signal), kill.afterMs));
  const { code, stdout, stderr } = await child.output();
  for (const timer of timers) clearTimeout(timer);
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
    ms: performance.now() - startMs,
    hung,
  };
}

function send(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch { /* it has just ended */ }
}
