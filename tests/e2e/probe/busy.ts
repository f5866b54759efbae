/**
 * Goes before src/sandbox/worker.ts in a compiled copy of the program: lost for ever in a loop, a chain of promises or a regular
 * expression, as the run's directory says, except where the Worker is to tell a failure.
 * @module
 */
import { type ToWorker, unpack } from "../../../src/sandbox/messages.ts";

self.addEventListener("message", (event) => {
  const { data } = event as MessageEvent<ToWorker>;
  if (data.kind !== "run" || data.failure !== undefined) return;
  event.stopImmediatePropagation();
  if (unpack(data.command).localDir.endsWith("/expression")) /^(?:a|a)+$/.test(`${"a".repeat(60)}!`);
  if (unpack(data.command).localDir.endsWith("/promises")) return void chain();
  for (;;);
});

async function chain(): Promise<void> {
  for (;;) await null;
}
