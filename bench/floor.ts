/**
 * The least that a program of this runtime can cost that keeps data away from its rights: one line and an empty Worker.
 * @module
 */
import { embed } from "../scripts/embed.ts";

const MAIN = `const worker = new Worker(new URL("./worker.js", import.meta.url), {
  type: "module",
  deno: { permissions: "none" },
});
worker.onmessage = () => Deno.exit(0);
`;
const WORKER = "self.postMessage(1);\n";

/**
 * Compiles it into a directory.
 *
 * @returns the executable
 * @throws Error where there is no runtime to embed
 */
export async function makeFloor(directory: string): Promise<string> {
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeTextFileSync(`${directory}/main.js`, MAIN);
  Deno.writeTextFileSync(`${directory}/worker.js`, WORKER);
  const flags = ["--unstable-worker-options", "--allow-all", "--no-prompt", "--include", "worker.js"];
  await embed([...flags, "--output", "floor", "main.js"], directory, { target: Deno.build.target, env: {} });
  return `${directory}/floor`;
}
