/**
 * The least that a program of this runtime can cost that keeps data away from its rights: one line and an empty Worker.
 * @module
 */
import { denortFromWheel } from "../scripts/denort.ts";

const MAIN = `const worker = new Worker(new URL("./worker.js", import.meta.url), {
  type: "module",
  deno: { permissions: "none" },
});
worker.onmessage = () => Deno.exit(0);
`;
const WORKER = "self.postMessage(1);\n";

/** Compiles it into a directory. @returns the executable, or null where it cannot be compiled */
export async function makeFloor(directory: string): Promise<string | null> {
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeTextFileSync(`${directory}/main.js`, MAIN);
  Deno.writeTextFileSync(`${directory}/worker.js`, WORKER);
  const isolated = ["--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-check", "--no-code-cache"];
  const flags = ["--unstable-worker-options", "--allow-all", "--no-prompt", "--include", "worker.js"];
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["compile", ...isolated, ...flags, "--output", "floor", "main.js"],
    cwd: directory,
    env: { DENORT_BIN: Deno.env.get("DENORT_BIN") ?? await denortFromWheel(Deno.build.target) },
    stderr: "null",
  }).output();
  return success ? `${directory}/floor` : null;
}
