/**
 * The processes of the pod's other containers while main is not known yet: what has come is found by a cheap sign first, and only
 * now and then by a look at all of them.
 * @module
 */
import type { Clock, Files } from "../../../system/mod.ts";
import type { Container, ProcessRecord } from "../../proc/containers.ts";
import { NewestPid, pidsBetween } from "./newest_pid.ts";
import type { ProcScan } from "./scan.ts";

/** Milliseconds between looks while nothing shows. A container shows for 38 ms and more before its program runs. */
const POLL_MS = 25;
/** While one shows that is not a container's program yet. */
const ARRIVAL_POLL_MS = 5;
/** While there is nothing whose state may change, what is known is not looked at for so long. */
const IDLE_MS = 1000;

/** What is known is brought up to date so often, though nothing has come. */
const REFRESH_MS = 200;
/** All processes are looked at so often, and less often the longer it takes: at most this share of the time. */
const FULL_LOOK_MS = 5000;
const FULL_LOOK_SHARE = 1 / 200;
/** The share of the time for listing processes where no sign can be trusted. */
const LIST_SHARE = 1 / 50;

/** Looks for processes that have come. */
export class Arrivals {
  readonly #clock: Clock;
  readonly #scan: ProcScan;
  readonly #newest: NewestPid;
  #number: number | null = null;
  /** Not while main runs: then nobody asks what has come. */
  #isAsked = false;
  #listed: Set<number> | null = null;
  #listMs = 0;
  #refreshedMs = -Infinity;
  #fullLookMs = -Infinity;
  #fullLookTookMs = 0;

  constructor({ clock, files }: { clock: Clock; files: Files }, scan: ProcScan) {
    this.#clock = clock;
    this.#scan = scan;
    this.#newest = new NewestPid(files);
  }

  /**
   * Resolves when something may have come, and now and then without: once the nap is over.
   *
   * @param isIdle whether there is no container whose state may change meanwhile
   */
  async nap(nap: AbortController, { isIdle }: { isIdle: boolean }): Promise<void> {
    const clock = this.#clock;
    if (this.#scan.isSettling) return await clock.sleep(ARRIVAL_POLL_MS, nap.signal);
    if (!this.#newest.isTrusted || this.#scan.hasArriving) {
      return await clock.sleep(Math.max(POLL_MS, this.#listMs / LIST_SHARE), nap.signal);
    }
    const stop = clock.every(POLL_MS, () => this.#hasCome() && nap.abort());
    await clock.sleep(isIdle ? IDLE_MS : REFRESH_MS, nap.signal).finally(stop);
  }

  /** Milliseconds until all processes should be looked at again. */
  get fullLookMs(): number {
    return Math.max(FULL_LOOK_MS, this.#fullLookTookMs / FULL_LOOK_SHARE);
  }

  /** The processes as they are now; null where nothing has changed. */
  look(nowMs: number, containers: ReadonlyMap<string, Container>): ProcessRecord[] | null {
    this.#isAsked = true;
    if (nowMs - this.#fullLookMs >= this.fullLookMs) return this.lookAtAll(nowMs);
    const came = this.#newest.isTrusted ? this.#announced() : this.#listedAnew();
    if (came === null) return this.lookAtAll(nowMs);
    const isDue = nowMs - this.#refreshedMs >= REFRESH_MS;
    if (came.length === 0 && !isDue && !this.#scan.hasArriving && !this.#scan.isSettling) return null;
    return this.refresh(nowMs, containers, came);
  }

  /** The known processes as they are now, with these. */
  refresh(
    nowMs: number,
    containers: ReadonlyMap<string, Container>,
    came: readonly number[] = [],
  ): ProcessRecord[] {
    this.#refreshedMs = nowMs;
    return this.#scan.refresh(nowMs, came, containers.values());
  }

  /** All processes as they are now. */
  lookAtAll(nowMs: number): ProcessRecord[] {
    // Read before: what comes during the look is found by the next one.
    this.#number = this.#isAsked ? this.#newest.read() : null;
    this.#listed = this.#scan.pids();
    const records = this.#scan.look(nowMs, this.#listed);
    this.#fullLookTookMs = this.#clock.monotonicMs() - nowMs;
    this.#fullLookMs = this.#refreshedMs = nowMs;
    return records;
  }

  /** Lets go of the file that is held open; it is opened again when it is needed. */
  close(): void {
    this.#isAsked = false;
    this.#newest.close();
  }

  /** Whether a process was announced that is still there. Those that are gone already are passed over for good. */
  #hasCome(): boolean {
    if (!this.#newest.hasMoved()) return false;
    const before = this.#number;
    const came = this.#announced();
    if (came?.length === 0) return false;
    // Left to the look that follows.
    this.#number = before;
    return true;
  }

  /** The processes that were announced and have not ended yet; null where only a look at all of them tells. */
  #announced(): number[] | null {
    const before = this.#number;
    this.#number = this.#newest.read();
    return pidsBetween(before, this.#number)?.filter((pid) => this.#scan.isThere(pid)) ?? null;
  }

  /** Finds new pids in the list of all, and whether the number has announced them. */
  #listedAnew(): number[] {
    const startMs = this.#clock.monotonicMs();
    const before = this.#number;
    const pids = this.#scan.pids();
    this.#number = this.#newest.read();
    const came = [...pids].filter((pid) => !this.#listed?.has(pid));
    if (came.length > 0) this.#newest.cameProcess(Math.max(...came), before, this.#number);
    this.#listed = pids;
    this.#listMs = this.#clock.monotonicMs() - startMs;
    return came;
  }
}
