/**
 * How a failure gets into errors.pb: at a run's end, beside an upload that may not make it, or instead of a run.
 * @module
 */
import { deadlineIn } from "../system/deadline.ts";
import { explain } from "../errors.ts";
import { type ForeignFailure, openStores, type RunCommand, type RunContext, untilMs } from "./context.ts";
import { Engine } from "../transfer/session.ts";
import { joinKey } from "../storage/uri.ts";
import { assertNoTaskError, TaskFailure } from "./upload.ts";
import {
  exists,
  type Failure,
  failureOf,
  type VerdictContext,
  withdraw,
  writeVerdict,
} from "./error_document.ts";

/**
 * Milliseconds for the error document, counted from the failure: the run's own deadline may be what failed. Less than the 30 s
 * that Kubernetes gives a pod from SIGTERM to SIGKILL.
 */
const REPORT_MS = 20_000;

/** Flyte's code for a failure of a command. */
export function codeOf(command: RunCommand): string {
  return command.kind === "download" ? "InputDownloadFailed" : "OutputUploadFailed";
}

/** Where a command's errors.pb goes. */
export function errorUri(command: RunCommand): string {
  return joinKey(command.outputPrefix, command.errOutputName);
}

/**
 * The errors.pb that goes out while an upload still runs, because the process is about to be killed. A reader takes errors.pb
 * first, so the safe side is never a wrong success; an upload that makes it after all withdraws it.
 */
export class EarlyVerdict {
  readonly #command: RunCommand;
  readonly #context: RunContext;
  readonly #write = () => void (this.#writing = this.#report());
  #writing: Promise<unknown> = Promise.resolve();

  constructor(command: RunCommand, context: RunContext) {
    this.#command = command;
    this.#context = context;
    if (context.hurry.aborted) this.#write();
    else context.hurry.addEventListener("abort", this.#write, { once: true });
  }

  /** No early verdict is begun from now on; resolves when one that was begun is out. */
  async settle(): Promise<void> {
    this.close();
    await this.#writing;
  }

  close(): void {
    this.#context.hurry.removeEventListener("abort", this.#write);
  }

  #report(): Promise<number> {
    const message = "Upload not finished when the container was told for the second time to end";
    return report({ code: codeOf(this.#command), message }, this.#command, this.#context);
  }
}

/**
 * Tells a failure that was seen before the run. The task's own `_ERROR` says more, so it wins.
 *
 * @returns the exit status
 */
export async function tell(
  failure: ForeignFailure,
  command: RunCommand,
  context: RunContext,
): Promise<number> {
  let told: Failure = { code: codeOf(command), ...failure };
  if (command.kind === "sidecar") {
    try {
      assertNoTaskError(context.system.files, command.localDir);
    } catch (thrown) {
      if (thrown instanceof TaskFailure) told = failureOf(thrown, codeOf(command));
    }
  }
  return await report(told, command, context, failure.unlessDone ? outputsUri(command) : undefined);
}

function outputsUri(command: RunCommand): string | undefined {
  return command.kind === "sidecar" ? joinKey(command.outputPrefix, command.metaOutputName) : undefined;
}

/** Writes errors.pb, unless there is an object at `unless`; gives the exit status. */
export async function report(
  failure: Failure,
  command: RunCommand,
  context: RunContext,
  unless?: string,
): Promise<number> {
  const { system, log } = context;
  const deadline = deadlineIn(system.clock, REPORT_MS, { what: "Error document" });
  const engine = new Engine(system, { memoryLimitBytes: 0, signal: deadline.signal });
  const end = untilMs(system.clock.monotonicMs(), REPORT_MS);
  const stores = openStores(command, context, { engine, untilMs: end });
  const verdict: VerdictContext = { stores, signal: engine.signal, log };
  try {
    if (unless !== undefined && await exists(unless, verdict)) {
      log.summary("nothing to do: the outputs are there from an earlier life of this container", {
        uri: unless,
      });
      return 0;
    }
    await writeVerdict(errorUri(command), { ...failure, message: context.mask(failure.message) }, verdict);
    await withdrawOutputs(command, verdict);
    return command.exitOnError ? 1 : 0;
  } catch (thrown) {
    log.error("cannot write the error document", { uri: errorUri(command), error: explain(thrown) });
    return 1;
  } finally {
    deadline.clear();
    await stores.close();
  }
}

/** What an earlier try has declared to be the outputs must not stand beside the document of a failure, which is out already. */
async function withdrawOutputs(command: RunCommand, verdict: VerdictContext): Promise<void> {
  const uri = outputsUri(command);
  if (uri === undefined) return;
  try {
    await withdraw(uri, "the outputs of an earlier try", verdict);
  } catch (thrown) {
    verdict.log.error("cannot remove the outputs of an earlier try", { uri, error: explain(thrown) });
  }
}
