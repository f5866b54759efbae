/**
 * Which watchers would work here, and which container they would take for main.
 * @module
 */
import { explain } from "../errors.ts";
import { deadlineIn } from "../system/deadline.ts";
import type { WatcherContext } from "../watch/context.ts";
import { openWatchers } from "../watch/watchers/mod.ts";
import type { Check } from "./check.ts";

/** Long enough for a container to have been the only one for as long as it takes to be taken for main. */
const LOOK_MS = 4000;

/** The watchers that look at something, and what to do where they cannot. */
const MENDS: Readonly<Record<string, string>> = {
  "auto": "name a watcher with --start-watcher-type",
  "signal": "run copilot as a native sidecar: an init container with restartPolicy Always",
  "shared-process-ns":
    "set shareProcessNamespace: true in the pod's spec, and name main with --watch-container",
  "file": "mount the directory of --from-local-dir in both containers",
  "kube-api":
    "give the pod's service account a Role with get, list and watch on pods (examples/pods/kube-api.yaml), and mount its token",
};

/**
 * Opens each watcher and lets it look for a moment.
 *
 * @param chosen those that the command line asks for: only they can fail
 */
export async function checkWatchers(chosen: ReadonlySet<string>, context: WatcherContext): Promise<Check[]> {
  const names = Object.keys(MENDS);
  return await Promise.all(names.map((name) => checkWatcher(name, chosen.has(name), context)));
}

async function checkWatcher(name: string, isChosen: boolean, context: WatcherContext): Promise<Check> {
  const title = `watcher ${name}${isChosen ? " (chosen)" : ""}`;
  const bound = deadlineIn(context.system.clock, LOOK_MS, { what: "Look" });
  let describe = () => "";
  try {
    const { start, close } = await openWatchers({ start: [name], exit: [name] }, context);
    describe = () => start.describe();
    try {
      await start.waitForStart(bound.signal);
      return { name: title, state: "ok", what: describe() };
    } finally {
      close();
    }
  } catch (thrown) {
    // Nothing has started yet: that is a state of the pod and no fault of the watcher.
    if (bound.signal.aborted) {
      return { name: title, state: isChosen ? "ok" : "no", what: `no main yet: ${describe()}` };
    }
    const what = explain(thrown);
    return isChosen
      ? { name: title, state: "failed", what, mend: MENDS[name]! }
      : { name: title, state: "no", what };
  } finally {
    bound.clear();
  }
}
