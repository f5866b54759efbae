/**
 * Starts Workers with the permissions that they need and no others, once there are threads for them.
 * @module
 */
import type { Clock } from "../system/mod.ts";
import { openThreadProbe } from "../system/threads.ts";
import type { Scope } from "./permissions.ts";

/** What a run needs at once: its Worker, a thread of the Worker's to look names up, one of the main thread's to read directories. */
const THREADS = 3;
/** How long, and how often, threads are asked for where there are none left. Less than the 30 s of a pod's usual grace. */
const THREAD_WAIT_MS = 25_000;
const THREAD_POLL_MS = 100;

/** Null where the machine cannot tell. Loaded before the right to is given up, and usable after it. */
const CAN_START = openThreadProbe();

/** A Worker, and whether threads had run out before it could be started. */
export interface Started {
  worker: Worker;
  isShortOfThreads: boolean;
}

/**
 * Starts a Worker. Where the machine or the pod has no threads left for it, which passes as main's processes go, it is tried again.
 * A Worker that gets the last one would end the process as soon as it looks a name up, so there has to be room for all of them; once
 * the time for that is over, what there is has to do.
 */
export async function startWorker(scope: Scope, clock: Clock): Promise<Started> {
  const untilMs = clock.monotonicMs() + THREAD_WAIT_MS;
  for (let isShortOfThreads = false;; isShortOfThreads = true) {
    const isLast = clock.monotonicMs() >= untilMs;
    try {
      if (isLast || CAN_START === null || CAN_START(THREADS)) {
        return { worker: newWorker(scope), isShortOfThreads };
      }
    } catch (thrown) {
      if (!isOutOfThreads(thrown) || isLast) throw thrown;
    }
    await clock.sleep(THREAD_POLL_MS);
  }
}

/** EAGAIN, which the runtime gives no name of its own. */
function isOutOfThreads(thrown: unknown): boolean {
  return thrown instanceof Error && /\(os error 11\)/.test(thrown.message);
}

function newWorker(scope: Scope): Worker {
  const options: WorkerOptions = {
    type: "module",
    name: "run",
    deno: {
      permissions: {
        read: [...scope.read],
        write: [...scope.write],
        net: [...scope.net],
        env: false,
        run: false,
        ffi: false,
        sys: false,
        import: false,
      },
    },
  };
  return new Worker(new URL("./worker.ts", import.meta.url), options);
}
