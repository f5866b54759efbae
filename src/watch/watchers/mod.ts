/**
 * The registry of watchers. A watcher is one module and one line here; it is loaded when it is asked for.
 * @module
 */
import { cannot, explain } from "../../errors.ts";
import { race } from "../abort.ts";
import type { WatcherContext, WatcherModule } from "../context.ts";
import type { Exit, Watcher } from "../watcher.ts";

/** Every watcher by its name. The imports are literal, because `deno compile` embeds only what it can read. */
export const WATCHERS: Readonly<Record<string, () => Promise<WatcherModule>>> = {
  "auto": () => import("../automatic.ts"),
  "signal": () => import("./signal.ts"),
  "shared-process-ns": () => import("./process/mod.ts"),
  "file": () => import("./marker.ts"),
  "kube-api": () => import("./kube/mod.ts"),
  "noop": () => import("./noop.ts"),
};

/** Other spellings. */
export const ALIASES: Readonly<Record<string, string>> = { "shared-process-namespace": "shared-process-ns" };

/** A pair of watchers for one run. Where both roles name the same watcher it is one, so that what the start saw the exit knows. */
export interface Watchers {
  start: Watcher;
  exit: Watcher;
  /** Closes both. Idempotent. */
  close(): void;
}

/**
 * Opens the watchers of a run.
 *
 * @param names a list for each role: the first that proves it wins
 * @throws CopilotError `usage` for an unknown name, `config` where none of a list can work here
 */
export async function openWatchers(
  names: { start: readonly string[]; exit: readonly string[] },
  context: WatcherContext,
): Promise<Watchers> {
  const opened = new Map<string, Watcher>();
  const close = () => {
    for (const watcher of opened.values()) watcher.close();
  };
  const list = async (role: readonly string[]): Promise<Watcher> => {
    const watchers: Watcher[] = [];
    for (const name of new Set(role.map((one) => Object.hasOwn(ALIASES, one) ? ALIASES[one]! : one))) {
      const watcher = opened.get(name) ?? await openOne(name, context);
      opened.set(name, watcher);
      watchers.push(watcher);
    }
    return watchers.length === 1 ? watchers[0]! : new FirstOf(watchers, context);
  };
  try {
    return { start: await list(names.start), exit: await list(names.exit), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function openOne(name: string, context: WatcherContext): Promise<Watcher> {
  const load = Object.hasOwn(WATCHERS, name) ? WATCHERS[name] : undefined;
  if (load === undefined) {
    const known = [...Object.keys(WATCHERS), ...Object.keys(ALIASES)].join(", ");
    throw cannot("watch with", name, { usage: `no such watcher, expected one of ${known}` });
  }
  return (await load()).open(context);
}

/** Several watchers as one: the first that proves a start or an end wins. One that fails leaves the others watching. */
class FirstOf implements Watcher {
  readonly name: string;
  readonly #watchers: readonly Watcher[];
  readonly #context: WatcherContext;

  constructor(watchers: readonly Watcher[], context: WatcherContext) {
    this.name = watchers.map(({ name }) => name).join(",");
    this.#watchers = watchers;
    this.#context = context;
  }

  waitForStart(signal: AbortSignal): Promise<void> {
    return this.#first((watcher, cancelOrWon) => watcher.waitForStart(cancelOrWon), signal);
  }

  waitForExit(signal: AbortSignal): Promise<Exit> {
    return this.#first((watcher, cancelOrWon) => watcher.waitForExit(cancelOrWon), signal);
  }

  describe(): string {
    return this.#watchers.map((watcher) => `${watcher.name}: ${watcher.describe()}`).join("; ");
  }

  mayHaveMissedMain(): boolean {
    return this.#watchers.some((watcher) => watcher.mayHaveMissedMain());
  }

  lingerMs(): number {
    return Math.max(...this.#watchers.map((watcher) => watcher.lingerMs()));
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  #first<T>(wait: (watcher: Watcher, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const waits = this.#watchers.map((watcher) => async (cancelOrWon: AbortSignal) => {
      try {
        return await wait(watcher, cancelOrWon);
      } catch (error) {
        if (!cancelOrWon.aborted) {
          this.#context.log.warning(`watcher failed: ${explain(error)}`, { watcher: watcher.name });
        }
        throw error;
      }
    });
    return race(waits, { signal, mode: "any" });
  }
}
