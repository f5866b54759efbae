/**
 * Watches main in /proc, in a pod whose containers share a PID namespace. Needs no API, no capability, no particular user.
 * @module
 */
import { cannot, type CopilotError, explain } from "../../../errors.ts";
import type { ProcessHandle } from "../../../system/mod.ts";
import { cancelled, throwIfAborted } from "../../abort.ts";
import type { WatcherContext } from "../../context.ts";
import { candidates, possibleMains, type Rules, SETTLING } from "../../proc/choose.ts";
import type { Container, ProcessRecord } from "../../proc/containers.ts";
import { describeState, nameContainer } from "../../proc/describe.ts";
import { exitOf } from "../../proc/ending.ts";
import { mainOf, step, UNSEEN, type WatchState } from "../../proc/poll.ts";
import { isRunning } from "../../proc/stat.ts";
import type { Exit, Watcher } from "../../watcher.ts";
import { Arrivals } from "./arrivals.ts";
import { Findings } from "./findings.ts";
import { HeldProcesses } from "./held.ts";
import { MemoryEvents } from "./memory_events.ts";
import { ProcScan } from "./scan.ts";

const NAME = "shared-process-ns";

/** While a process shows that has not arrived in its container yet. */
const ARRIVAL_POLL_MS = 5;
/** Where the kernel gives no handle on main. */
const RUN_POLL_MS = 100;
/** Waking up is what costs, more than the look: once main has run for a while, half as often still sees its end within 250 ms. */
const LONG_RUN_POLL_MS = 200;
const LONG_RUN_MS = 10_000;
const END_POLL_MS = 20;

/** Memory events are looked at so often, to tell a kill at main's end from one long before. */
const SAMPLE_MS = 1000;

/**
 * How long main's parent may take to note its end, before which its exit code is not told: seconds on a busy node. Asked less and
 * less often.
 */
const REAP_MS = 8000;
const REAP_POLL_MS = 5;
const MAX_REAP_POLL_MS = 100;

/** What a look at /proc cannot know, and who does. */
const MISSED = "a main that had ended before this container started is never seen here: " +
  "--start-timeout bounds the wait, and a list with kube-api or file tells its end";

/**
 * How long a sidecar that is older than main waits for SIGTERM: it may be a native one, which is told a second or two after main's
 * end. An ordinary one that happens to be older loses this time, where a native one that ended would be started again.
 */
const LINGER_MS = 5000;

/** A container that was not found to be main by then is looked at less often: every wait for a sign is over. */
const SETTLED_MS = 15_000;

/** After this time without a main the log says what is missing. */
const HINT_AFTER_MS = 10_000;

/** The watcher; {@linkcode open} makes one. */
export class ProcessWatcher implements Watcher {
  readonly name = NAME;
  readonly #context: WatcherContext;
  readonly #closed = new AbortController();
  #scan: ProcScan | null = null;
  #rules: Rules | null = null;
  #state: WatchState = UNSEEN;
  /** Undefined until main's program runs, null where it cannot be read. */
  #memory: MemoryEvents | null | undefined;
  #wasKilled = false;
  readonly #held: HeldProcesses;
  /** The state for which processes were held last. */
  #heldState: WatchState | null = null;
  /** Whether the kernel will tell main's end. */
  #isAwaited = false;
  /** Ends the waits between two looks. */
  readonly #naps = new Set<AbortController>();
  #arrivals: Arrivals | null = null;
  #allSeenMs = -Infinity;
  readonly #findings: Findings;
  /** The container whose memory events are followed. */
  #followed: string | null = null;
  #firstLookMs: number | null = null;

  constructor(context: WatcherContext) {
    this.#context = context;
    this.#findings = new Findings(context.log);
    this.#held = new HeldProcesses((container) => this.#open(container));
  }

  async waitForStart(signal: AbortSignal): Promise<void> {
    await this.#poll(signal, () => this.#state.phase !== "waiting");
    if (this.#state.phase === "waiting") throw this.#unknownEnd();
  }

  async waitForExit(signal: AbortSignal): Promise<Exit> {
    await this.#poll(signal, () => this.#state.phase === "ended");
    const main = mainOf(this.#state);
    if (this.#state.phase === "waiting" || main === null) throw this.#unknownEnd();
    if (this.#state.phase === "ended" || main.end !== null) return await this.#ended(main);
    return {
      outcome: "interrupted",
      by: NAME,
      reason: "Terminated",
      message: `The pod is being stopped while container ${nameContainer(main)} still runs`,
    };
  }

  describe(): string {
    return this.#rules === null ? "/proc was not looked at yet" : describeState(this.#state, this.#rules);
  }

  /** Why main cannot be watched in here, in words; null where it can be. Looks at /proc. */
  obstacle(): string | null {
    try {
      const { own } = this.#scan ??= this.#begin(this.#context.system.clock.monotonicMs());
      return own.isContainer ? null : "this process is in no container that its cgroup names";
    } catch (thrown) {
      return explain(thrown);
    }
  }

  mayHaveMissedMain(): boolean {
    if (this.#rules === null || this.#state.main !== null) return false;
    return possibleMains(this.#state.containers.values(), this.#rules).every(({ end }) => end !== null);
  }

  lingerMs(): number {
    const main = mainOf(this.#state);
    return main !== null && main.first.startTicks > this.#scan!.own.startTicks ? LINGER_MS : 0;
  }

  close(): void {
    this.#closed.abort();
    this.#memory?.close();
    this.#memory = null;
    this.#held.close();
    this.#arrivals?.close();
  }

  /** Looks until it is done or the pod is being stopped, whichever comes first. */
  async #poll(signal: AbortSignal, isDone: () => boolean): Promise<void> {
    const { terminations } = this.#context;
    const over = new AbortController();
    const cancelOrClosed = AbortSignal.any([signal, this.#closed.signal]);
    cancelOrClosed.addEventListener("abort", this.#wake, { signal: over.signal });
    terminations.next(0, over.signal).then(this.#wake, () => {});
    try {
      for (;;) {
        throwIfAborted(cancelOrClosed);
        const isFinal = terminations.count > 0;
        this.#look(isFinal);
        if (isDone() || isFinal) return;
        await this.#hold();
        if (!cancelOrClosed.aborted) await this.#nap();
      }
    } finally {
      over.abort();
    }
  }

  readonly #wake = () => this.#naps.forEach((nap) => nap.abort());

  /** Sleeps until the next look is due, or something has happened. */
  async #nap(): Promise<void> {
    const { clock } = this.#context.system;
    const nap = new AbortController();
    this.#naps.add(nap);
    const main = mainOf(this.#state);
    const pause = main === null || main.end?.isComplete
      ? this.#arrivals!.nap(nap, { isIdle: this.#isIdle() })
      : clock.sleep(this.#pauseMs(main, clock.monotonicMs()), nap.signal);
    await pause.catch(() => {});
    this.#naps.delete(nap);
  }

  /** Whether no container runs that may be main, apart from such as have run for so long that they seem not to be. */
  #isIdle(): boolean {
    const nowMs = this.#context.system.clock.monotonicMs();
    return candidates(this.#state.containers.values(), this.#rules!).every(({ end, firstSeenMs }) =>
      end === null ? nowMs - firstSeenMs >= SETTLED_MS : end.isComplete
    );
  }

  #pauseMs(main: Container, nowMs: number): number {
    if (this.#scan?.isSettling) return ARRIVAL_POLL_MS;
    if (main.end !== null) return END_POLL_MS;
    // Before its program runs main is looked at soon: its memory events are to be opened then.
    if (this.#isAwaited && this.#memory !== undefined) {
      return this.#memory === null ? this.#arrivals!.fullLookMs : SAMPLE_MS;
    }
    return nowMs - main.firstSeenMs < LONG_RUN_MS ? RUN_POLL_MS : LONG_RUN_POLL_MS;
  }

  /** Holds the first process of main, or of every container that may be main. */
  async #hold(): Promise<void> {
    if (this.#state === this.#heldState) return;
    this.#heldState = this.#state;
    const main = mainOf(this.#state);
    if (main === null || main.end?.isComplete) {
      return await this.#held.add(candidates(this.#state.containers.values(), this.#rules!));
    }
    this.#arrivals!.close();
    this.#held.keepOnly(main.id);
    await this.#held.add([main]);
    const handle = this.#held.of(main.id);
    if (this.#isAwaited || handle === null) return;
    this.#isAwaited = true;
    handle.ended().then(() => {
      // From here on main is looked at again, also where the wait has failed.
      this.#isAwaited = false;
      this.#wake();
    });
  }

  async #open({ first }: Container): Promise<ProcessHandle | null> {
    const handle = await this.#context.system.openProcess(first.pid);
    // Looked at after it is held: it may have been another process's pid by then.
    if (handle === null || this.#scan!.find(first) !== null) return handle;
    handle.close();
    return null;
  }

  #look(isFinal: boolean): void {
    const nowMs = this.#context.system.clock.monotonicMs();
    const scan = this.#scan ??= this.#begin(nowMs);
    if (this.#state.phase === "ended") return;
    const arrivals = this.#arrivals ??= new Arrivals(this.#context.system, scan);
    const processes = isFinal ? arrivals.lookAtAll(nowMs) : this.#processes(scan, arrivals, nowMs);
    if (processes === null) return;
    const before = this.#state;
    this.#state = step(before, { processes, nowMs, isFinal }, this.#rules!);
    this.#findings.tell(before, this.#state);
    if (mainOf(this.#state) === null) this.#hint(nowMs);
    this.#followMemory(nowMs);
  }

  /** What there is to be seen; null where it is the same as before. */
  #processes(scan: ProcScan, arrivals: Arrivals, nowMs: number): ProcessRecord[] | null {
    const { containers } = this.#state;
    const main = mainOf(this.#state);
    if (main === null || main.end?.isComplete) return arrivals.look(nowMs, containers);
    if (main.end !== null) return arrivals.refresh(nowMs, containers);
    this.#memory?.sample(nowMs);
    if (nowMs - this.#allSeenMs >= arrivals.fullLookMs) {
      // Other containers may show that main was not the right one.
      this.#allSeenMs = nowMs;
      return arrivals.lookAtAll(nowMs);
    }
    const stat = scan.find(main.first);
    return stat !== null && stat.comm === main.program && isRunning(stat) && !main.isSettingUp
      ? null
      : arrivals.refresh(nowMs, containers);
  }

  #begin(nowMs: number): ProcScan {
    const { command, env, system } = this.#context;
    const scan = new ProcScan(system.files, command.localDir);
    this.#rules = {
      // As a pod's status has it: containerd://ID.
      containerId: command.watchContainerId?.replace(/^[a-z0-9.-]+:\/\//, "").toLowerCase() ?? null,
      name: command.watchContainer ?? null,
      podName: command.kube.podName ?? env["HOSTNAME"] ?? null,
      ownStartTicks: scan.own.startTicks,
      ownId: scan.own.containerId,
      pauseId: scan.own.pauseId,
      isVolume: scan.own.isVolume,
      ...SETTLING,
    };
    this.#firstLookMs = nowMs;
    return scan;
  }

  /** Says once that main is still not found. */
  #hint(nowMs: number): void {
    if (this.#firstLookMs === null || nowMs - this.#firstLookMs < HINT_AFTER_MS) return;
    this.#firstLookMs = null;
    this.#context.log.warning(`main container not found yet: ${this.describe()}; ${MISSED}`);
  }

  /** Opens main's memory events as soon as they are its own, and reads them as soon as it is gone: they go soon after it. */
  #followMemory(nowMs: number): void {
    const main = mainOf(this.#state);
    if (main === null || main.isSettingUp && main.end === null) return;
    if (this.#followed !== main.id) {
      this.#followed = main.id;
      this.#memory?.close();
      this.#memory = undefined;
      this.#wasKilled = false;
    }
    if (main.end === null) {
      if (this.#memory !== undefined) return;
      this.#memory = MemoryEvents.open(this.#context.system.files, main.first.pid, nowMs);
      this.#context.log.debug("memory events of the main container", { readable: this.#memory !== null });
    } else if (this.#memory?.killedAtEnd(nowMs)) this.#wasKilled = true;
  }

  async #ended(main: Container): Promise<Exit> {
    const signs = {
      waitStatus: await this.#waitStatus(main.id),
      outOfMemory: this.#wasKilled,
      limitBytes: this.#memory?.limitBytes ?? null,
    };
    return { by: NAME, ...exitOf(nameContainer(main), signs) };
  }

  async #waitStatus(id: string): Promise<number | null> {
    const handle = this.#held.of(id);
    const { clock } = this.#context.system;
    const untilMs = clock.monotonicMs() + REAP_MS;
    for (let pauseMs = REAP_POLL_MS; handle !== null; pauseMs = Math.min(pauseMs * 2, MAX_REAP_POLL_MS)) {
      const status = await handle.waitStatus();
      if (status !== "pending") return status;
      // The second SIGTERM says that two seconds are left, which are for the upload.
      if (clock.monotonicMs() >= untilMs || this.#context.terminations.count > 1) break;
      await clock.sleep(pauseMs);
    }
    return null;
  }

  #unknownEnd(): CopilotError {
    if (this.#context.terminations.count === 0) return cancelled();
    return cannot("tell how the main container ended", {
      task: `the pod is being stopped, and main was not found: ${this.describe()}`,
    });
  }
}

/** Opens the watcher; what /proc shows is checked by its first wait. */
export function open(context: WatcherContext): ProcessWatcher {
  return new ProcessWatcher(context);
}
