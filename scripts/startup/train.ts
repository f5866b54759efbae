/**
 * Stands in for load.ts while an executable is built: runs a thread's code and writes down what V8 has compiled by its end, for
 * load.ts to begin with. Runs one after another add to it, since each begins with what those before it have left.
 *
 * A process gives up its rights and narrows its Workers, and none of them could write a file then: here both are left out.
 * @module
 */
import vm from "node:vm";
import { run, unpack } from "./link.ts";

/** Names the directory of what was compiled; set by scripts/code_cache.ts. */
const DIRECTORY = Deno.env.get("COPILOT_TRAINING")!;

/** As load.ts's. */
export function load(name: string, packed: Uint8Array<ArrayBuffer>, home: string): unknown {
  const path = `${DIRECTORY}/${name}`;
  const cachedData = existing(path);
  const script = new vm.Script(unpack(packed).source, { filename: name, ...cachedData && { cachedData } });
  if (script.cachedDataRejected) throw new Error(`V8 refuses what it has made of ${name}`);
  const save = () => Deno.writeFileSync(path, script.createCachedData());
  if ("WorkerGlobalScope" in globalThis) saveWhenDone(save);
  else saveAtExit(save);
  return run(script, home);
}

function existing(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch {
    return undefined;
  }
}

function saveWhenDone(save: () => void): void {
  const scope = globalThis as unknown as { postMessage(message: { kind: string }): void };
  const post = scope.postMessage;
  scope.postMessage = (message) => {
    if (message.kind === "done") save();
    post(message);
  };
}

function saveAtExit(save: () => void): void {
  const exit = Deno.exit;
  Deno.exit = (status) => {
    save();
    return exit(status);
  };
  Deno.permissions.revokeSync = (descriptor) => Deno.permissions.querySync(descriptor);
  const Narrowed = globalThis.Worker;
  globalThis.Worker = class extends Narrowed {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, { ...options, deno: { permissions: "inherit" } });
    }
  };
}
