/**
 * The error document that stands beside an upload while it runs, in case the process is killed before the end: kubelet sends one
 * SIGTERM and, once the pod's grace is over, SIGKILL, and how long that grace is nobody in the container can know for certain (a
 * cluster's cap, a node that shuts down). Without it a task whose upload was cut off has neither document. A reader takes the error
 * document first, so the safe side is never a wrong success; an upload that makes it takes the document back before it writes
 * outputs.pb.
 * @module
 */
import type { SidecarCommand } from "../cli/mod.ts";
import { explain } from "../errors.ts";
import { deadlineIn } from "../system/deadline.ts";
import type { Files } from "../system/mod.ts";
import type { TransferSession } from "../transfer/session.ts";
import { openStores, type RunContext } from "./context.ts";
import { codeOf, errorUri, outputsUri, withdrawOutputs, writeErrorDocument } from "./error_document.ts";

/** An upload that lasts longer gets its document; a shorter one costs nothing. */
const FIRST_MS = 3_000;

/** The document with figures goes out so long before the grace is over: a tenth of it, within these bounds. */
const MIN_RESERVE_MS = 2_000;
const MAX_RESERVE_MS = 10_000;

/** Milliseconds for writing one. */
const WRITE_MS = 20_000;

/** Entries of the output directory that are counted for the estimate; of more the whole is not known. */
const MAX_COUNTED = 100_000;

const MIB = 1024 * 1024;

/** Writes the document when it is time to. One belongs to one upload. */
export class Precaution {
  readonly #command: SidecarCommand;
  readonly #context: RunContext;
  readonly #session: TransferSession;
  readonly #closed = new AbortController();
  readonly #onKill = () => this.#write(this.#cutOff());
  /** Null until the upload's time counts. */
  #beganMs: number | null = null;
  #writing: Promise<void> = Promise.resolve();
  #wasWritten = false;

  constructor(command: SidecarCommand, context: RunContext, session: TransferSession) {
    this.#command = command;
    this.#context = context;
    this.#session = session;
    if (context.killImminent.aborted) this.#onKill();
    else context.killImminent.addEventListener("abort", this.#onKill, { once: true });
  }

  /** Whether a document has gone out, which has to be taken back. */
  get wasWritten(): boolean {
    return this.#wasWritten;
  }

  /** Main has ended: from now on the upload's time and the pod's grace count. */
  begin(): void {
    const { clock } = this.#context.system;
    this.#beganMs = clock.monotonicMs() - this.#context.spentMs;
    const after = (ms: number, act: () => void) =>
      clock.sleep(Math.max(0, ms - this.#context.spentMs), this.#closed.signal).then(act, () => {});
    after(this.#context.isShortOfThreads ? 0 : FIRST_MS, () => this.#write(this.#cutOff()));
    const graceMs = this.#graceMs();
    if (graceMs === 0) return;
    const reserveMs = Math.min(MAX_RESERVE_MS, Math.max(MIN_RESERVE_MS, graceMs / 10), graceMs / 2);
    after(graceMs - reserveMs, () => this.#write(this.#tooShort(graceMs)));
  }

  /** No document is begun from now on; resolves when one that was begun is out, or has been given up. */
  async settle(): Promise<void> {
    this.#context.killImminent.removeEventListener("abort", this.#onKill);
    this.#closed.abort();
    await this.#writing;
  }

  #graceMs(): number {
    const { graceMs, timeoutMs } = this.#command;
    return graceMs > 0 ? graceMs : this.#context.graceMs ?? timeoutMs;
  }

  #write(message: string): void {
    if (!this.#closed.signal.aborted) this.#writing = this.#writing.then(() => this.#put(message));
  }

  async #put(message: string): Promise<void> {
    const { system, log, mask } = this.#context;
    const command = this.#command;
    const uri = errorUri(command);
    const deadline = deadlineIn(system.clock, WRITE_MS, {
      what: "Error document",
      parent: this.#closed.signal,
    });
    const stores = openStores(command, this.#context, { deadlineMs: deadline.atMs });
    const tools = { stores, signal: deadline.signal, log };
    try {
      const { store, key } = await stores.at(uri, "--to-output-prefix");
      // One that nobody may take back would fail an upload that makes it.
      if (!this.#wasWritten) await store.delete(key, { signal: deadline.signal });
      this.#wasWritten = true;
      await writeErrorDocument(uri, { code: codeOf(command), message: mask(message) }, tools);
      await withdrawOutputs(outputsUri(command)!, tools);
    } catch (thrown) {
      if (this.#closed.signal.aborted) return;
      log.warning(
        "cannot write an error document as a precaution: if this container is killed, nothing will tell",
        {
          uri,
          error: explain(thrown),
        },
      );
    } finally {
      deadline.clear();
      await stores.close();
    }
  }

  #cutOff(): string {
    return `The upload was cut off: the container ended while its outputs were being uploaded (${this.#figures().text}). The pod's terminationGracePeriodSeconds has to be long enough for the upload`;
  }

  #tooShort(graceMs: number): string {
    const { text, neededMs } = this.#figures();
    const enough = neededMs === null
      ? ""
      : `; at this rate about ${seconds(neededMs)} are needed, expected a grace of ${
        seconds(neededMs * 1.5)
      } or more`;
    return `The upload was cut off: its outputs could not be uploaded within the grace of ${
      seconds(graceMs)
    } that the pod has (--timeout, terminationGracePeriodSeconds): ${text}${enough}`;
  }

  /** How much of how much in which time, and how long all of it would take. */
  #figures(): { text: string; neededMs: number | null } {
    const { clock, files } = this.#context.system;
    const { bytes, sentBytes, files: count } = this.#session.progress;
    const tookMs = clock.monotonicMs() - (this.#beganMs ?? clock.monotonicMs());
    const totalBytes = sizeOf(files, this.#command.localDir);
    const sent = Math.min(Math.max(bytes, sentBytes), totalBytes ?? Infinity);
    const of = totalBytes === null ? "" : ` of ${mib(totalBytes)}`;
    const rate = tookMs === 0 ? 0 : sent / tookMs;
    return {
      text: `${count} files whole and ${mib(sent)}${of} sent in ${seconds(tookMs)}, ${mib(rate * 1000)}/s`,
      neededMs: totalBytes === null || rate === 0 ? null : totalBytes / rate,
    };
  }
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}

/** Bytes of the regular files below a directory; null where they are too many to be counted, or cannot be read. */
function sizeOf(files: Files, directory: string): number | null {
  let bytes = 0;
  let left = MAX_COUNTED;
  const pending = [directory];
  try {
    for (let next; (next = pending.pop()) !== undefined;) {
      for (const { name, kind } of files.listDir(next, () => {})) {
        if (--left < 0) return null;
        const path = `${next}/${name}`;
        if (kind === "directory") pending.push(path);
        else if (kind === "file") bytes += files.lstat(path)?.size ?? 0;
      }
    }
    return bytes;
  } catch {
    return null;
  }
}
