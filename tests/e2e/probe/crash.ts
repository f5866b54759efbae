/**
 * Goes before src/sandbox/worker.ts in a compiled copy of the program: crashes with a secret in the text, as the run's directory says,
 * except where the Worker is to tell a failure.
 * @module
 */
import { type ToWorker, unpack } from "../../../src/sandbox/messages.ts";

self.addEventListener("message", (event) => {
  const { data } = event as MessageEvent<ToWorker>;
  if (data.kind !== "run" || data.failure !== undefined) return;
  event.stopImmediatePropagation();
  const error = new Error(`near ${data.env.AWS_SECRET_ACCESS_KEY}\nand on a second line`);
  if (unpack(data.command).localDir.endsWith("/thrown")) throw error;
  void Promise.reject(error);
});
