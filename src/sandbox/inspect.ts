/**
 * `copilot inspect` in its sandbox: documents are strangers' bytes, so they are read and taken apart in a Worker that may reach
 * nothing but the documents' stores, and what those name where their sizes are asked for.
 * @module
 */
import { cannot, CopilotError, explain } from "../errors.ts";
import type { InspectCommand, Inspected, InspectSource } from "../run/inspect.ts";
import type { PermissionContext } from "../storage/backend.ts";
import type { Clock } from "../system/mod.ts";
import { MAX_WIDENINGS } from "./mod.ts";
import { startWorker } from "./start_worker.ts";
import { type FromWorker, pack, type ToWorker } from "./messages.ts";
import { inspectScopeOf, type Scope, widen } from "./permissions.ts";

/** What inspecting in a Worker takes. */
export interface InspectOptions extends PermissionContext {
  caCerts: string[];
  clock: Clock;
}

/**
 * Inspects documents.
 *
 * @returns what is to be printed, and the exit status
 * @throws CopilotError as `inspect` of src/run/inspect.ts
 */
export async function inspectInSandbox(
  command: InspectCommand,
  sources: readonly InspectSource[],
  options: InspectOptions,
): Promise<Inspected> {
  const uris = sources.filter(({ bytes }) => bytes === undefined).map(({ name }) => name);
  const scope = inspectScopeOf(command, uris, options);
  for (let round = 0; round <= MAX_WIDENINGS; round++) {
    const outcome = await inspectOnce({ command, sources, scope }, options);
    if (outcome !== "again") return outcome;
  }
  throw cannot("inspect", {
    denied: `the document names more than ${MAX_WIDENINGS} places one after another`,
  });
}

interface Job {
  command: InspectCommand;
  sources: readonly InspectSource[];
  scope: Scope;
}

async function inspectOnce(
  { command, sources, scope }: Job,
  options: InspectOptions,
): Promise<Inspected | "again"> {
  const { worker } = await startWorker(scope, options.clock);
  const send = (message: ToWorker) => worker.postMessage(message);
  const { promise, resolve, reject } = Promise.withResolvers<Inspected | "again">();
  const crashed = (error: string) => reject(cannot("inspect", { internal: `it crashed: ${error}` }));
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    switch (data.kind) {
      case "inspected":
        return resolve(data.inspected);
      case "failed":
        return reject(new CopilotError(data.code, data.message));
      case "crashed":
        return crashed(data.error);
      case "allow":
        try {
          if (widen(scope, data.uris, command, { ...options, realLocalDir: "" })) resolve("again");
          else send({ kind: "allowed" });
        } catch (error) {
          send({ kind: "refused", message: explain(error) });
        }
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    crashed(event.message);
  };
  const { env, caCerts } = options;
  send({ kind: "inspect", command: pack(command), sources, env: { ...env }, caCerts });
  return await promise.finally(() => worker.terminate());
}
