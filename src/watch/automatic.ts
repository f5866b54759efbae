/**
 * Finds out by itself how main can be watched: in a PID namespace that the pod's containers share by main's processes together with
 * SIGTERM, elsewhere by SIGTERM alone. So every kind of pod works that Flyte's plugin makes, none of which names a watcher: native
 * sidecars from v1.16 on, and up to v1.15 an ordinary container with `shareProcessNamespace: true` and `--start-timeout`.
 * @module
 */
import { CopilotError } from "../errors.ts";
import { race } from "./abort.ts";
import type { WatcherContext } from "./context.ts";
import type { Exit, Watcher } from "./watcher.ts";
import type { ProcessWatcher } from "./watchers/process/mod.ts";
import { open as openSignal } from "./watchers/signal.ts";

class AutomaticWatcher implements Watcher {
  readonly name = "auto";
  readonly #context: WatcherContext;
  readonly #signal: Watcher;
  /** Null where no other container's processes can be seen. */
  readonly #processes: ProcessWatcher | null;

  constructor(context: WatcherContext, processes: ProcessWatcher | null) {
    this.#context = context;
    this.#signal = openSignal(context);
    this.#processes = processes;
  }

  async waitForStart(signal: AbortSignal): Promise<void> {
    const processes = this.#processes;
    if (processes === null) return await this.#signal.waitForStart(signal);
    await race([
      (cancelOrWon) => processes.waitForStart(cancelOrWon),
      async (cancelOrWon) => void await this.#signal.waitForExit(cancelOrWon),
    ], { signal, mode: "any" });
  }

  async waitForExit(signal: AbortSignal): Promise<Exit> {
    if (this.#processes === null) return await this.#signal.waitForExit(signal);
    try {
      return await this.#processes.waitForExit(signal);
    } catch (thrown) {
      // In a native sidecar SIGTERM says that main has ended, also where its processes could not be told from others.
      const sawNone = thrown instanceof CopilotError && thrown.code === "task" &&
        this.#processes.mayHaveMissedMain();
      if (signal.aborted || this.#context.terminations.count === 0 || !sawNone) throw thrown;
      return await this.#signal.waitForExit(signal);
    }
  }

  describe(): string {
    return (this.#processes ?? this.#signal).describe();
  }

  mayHaveMissedMain(): boolean {
    return this.#processes?.mayHaveMissedMain() ?? false;
  }

  lingerMs(): number {
    return (this.#processes ?? this.#signal).lingerMs();
  }

  close(): void {
    this.#signal.close();
    this.#processes?.close();
  }
}

/** Opens the watcher: looks at /proc once, to see whose processes are there. */
export async function open(context: WatcherContext): Promise<Watcher> {
  const processes = new (await import("./watchers/process/mod.ts")).ProcessWatcher(context);
  const obstacle = processes.obstacle();
  if (obstacle === null) return new AutomaticWatcher(context, processes);
  context.log.info("main is watched by SIGTERM alone", { because: obstacle });
  processes.close();
  return new AutomaticWatcher(context, null);
}
