/**
 * copilot: moves data between object storage and the file system of a container that knows nothing about either.
 *
 * The first thing it does is to listen for SIGTERM: a native sidecar is told by it that the main container has ended, and must
 * not miss it while it loads the rest (flyteorg/flyte#6501).
 * @module
 */
import process from "node:process";
import { SigtermCounter } from "./src/watch/sigterm_counter.ts";

const terminations = new SigtermCounter();
Deno.addSignalListener("SIGTERM", () => terminations.deliver());
Deno.addSignalListener("SIGINT", () => {
  if (!terminations.interrupt()) Deno.exit(130);
});

const { environmentNames, main, stayAlive } = await import("./src/app.ts");
const env: Record<string, string> = {};
for (const name of environmentNames()) {
  const value = Deno.env.get(name);
  if (value !== undefined) env[name] = value;
}
// Packages look at the environment while they run, which the process may no longer do by then.
(process as { env: Record<string, string> }).env = env;
// Not awaited: while a module waits at its top the runtime keeps 1.6 MB of what it was loaded from.
stayAlive();
main(Deno.args, { env, terminations }).then(Deno.exit);
