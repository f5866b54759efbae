/**
 * The Worker's side of the sandbox: everything that touches data runs in here.
 * @module
 */
import process from "node:process";
import { secretValues } from "../config/mod.ts";
import { CopilotError, explain, from } from "../errors.ts";
import { createLog, createMasker } from "../system/log.ts";
import { reportFailure } from "../run/error_document.ts";
import { run } from "../run/mod.ts";
import type { RunContext, RunFailure } from "../run/context.ts";
import { withDirectories } from "./directory_client.ts";
import { residentBytes, sys, terminalColumns, writeStderr, writeStdout } from "../system/deno.ts";
import { VERSION } from "../cli/version.ts";
import { openTelemetry } from "../telemetry/mod.ts";
import { type FromWorker, type ToWorker, unpack } from "./messages.ts";

const scope = self as unknown as EventTarget & {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
};

const controller = new AbortController();
const killImminent = new AbortController();
const ended = Promise.withResolvers<RunFailure | null>();
const answers: PromiseWithResolvers<void>[] = [];

scope.onmessage = ({ data }) => {
  switch (data.kind) {
    case "run":
      return void start(data);
    case "inspect":
      return void inspect(data);
    case "abort":
      return controller.abort(new CopilotError("aborted", data.reason));
    case "ended":
      return ended.resolve(data.failure);
    case "kill-imminent":
      return killImminent.abort();
    case "ping":
      return scope.postMessage({ kind: "pong" });
    case "allowed":
      return answers.shift()!.resolve();
    case "refused":
      return answers.shift()!.reject(new CopilotError("denied", data.message));
  }
};

// Left to the runtime, a crash would be printed past the log, with whatever secret is in its text.
const crashed = (event: Event, reason: unknown) => {
  event.preventDefault();
  const stack = reason instanceof Error ? reason.stack ?? "" : "";
  scope.postMessage({ kind: "crashed", error: explain(reason), stack });
};
scope.addEventListener("error", (event) => crashed(event, (event as ErrorEvent).error));
scope.addEventListener(
  "unhandledrejection",
  (event) => crashed(event, (event as PromiseRejectionEvent).reason),
);

async function start(job: Extract<ToWorker, { kind: "run" }>): Promise<void> {
  // SDKs read the environment and ask for the user's id; both are denied here, so they get the run's copy, and no id.
  Object.assign(process, { env: job.env, geteuid: undefined });
  const command = unpack(job.command);
  const secrets = secretValues(command.storage, job.env);
  const context: RunContext = {
    system: job.directories === undefined ? sys : {
      ...sys,
      files: withDirectories(sys.files, job.directories, (request) => scope.postMessage(request)),
    },
    log: createLog({ ...job.log, write: writeStderr, clock: sys.clock, secrets }),
    view: {
      columns: () => job.log.isTerminal ? terminalColumns() : null,
      isPod: Boolean(job.env["KUBERNETES_SERVICE_HOST"]),
    },
    print: writeStdout,
    mask: createMasker(secrets),
    env: job.env,
    caCerts: job.caCerts,
    memoryLimitBytes: job.memoryLimitBytes,
    documentLimitBytes: job.documentLimitBytes,
    signal: controller.signal,
    killImminent: killImminent.signal,
    spentMs: job.spentMs,
    ...(job.early ? { ended: ended.promise } : {}),
    ...(job.caveat === undefined ? {} : { caveat: job.caveat }),
    ...(job.graceMs === undefined ? {} : { graceMs: job.graceMs }),
    resumes: job.resumes,
    isShortOfThreads: job.isShortOfThreads,
    ...(job.freeBytes === undefined ? {} : { freeBytes: job.freeBytes }),
    uploaded: () => scope.postMessage({ kind: "uploaded" }),
    allow: ask,
  };
  const telemetry = await openTelemetry(command.telemetry, {
    ...{ system: sys, env: job.env, caCerts: job.caCerts, log: context.log, residentBytes },
    ...{ command: command.kind, version: VERSION },
  });
  if (job.waitedMs !== undefined) telemetry.waited(job.waitedMs);
  const status = job.failure === undefined
    ? await run(command, { ...context, telemetry })
    : await reportFailure(job.failure, command, context);
  await telemetry.close();
  scope.postMessage({ kind: "done", status });
}

async function inspect(job: Extract<ToWorker, { kind: "inspect" }>): Promise<void> {
  Object.assign(process, { env: job.env, geteuid: undefined });
  const command = unpack(job.command);
  const mask = createMasker(secretValues(command.storage, job.env));
  try {
    // Loaded here, so that no run pays for it.
    const { inspect } = await import("../run/inspect.ts");
    const warn = (message: string) => writeStderr(`copilot: ${mask(message)}\n`);
    const { env, caCerts } = job;
    const inspected = await inspect(command, job.sources, { system: sys, env, caCerts, warn, allow: ask });
    scope.postMessage({ kind: "inspected", inspected });
  } catch (thrown) {
    const { code, message } = from(thrown, { action: "inspect" });
    scope.postMessage({ kind: "failed", code, message: mask(message) });
  }
}

function ask(uris: readonly string[]): Promise<void> {
  if (uris.length === 0) return Promise.resolve();
  const answer = Promise.withResolvers<void>();
  answers.push(answer);
  scope.postMessage({ kind: "allow", uris: distinct(uris) });
  return answer.promise;
}

/** One URI for each container, so that a million inputs of one bucket make a short message. Files are asked for one by one. */
function distinct(uris: readonly string[]): string[] {
  const byContainer = new Map<string, string>();
  for (const uri of uris) {
    const container = /^(?!file:)[a-z0-9+.-]+:\/\/[^/]*/i.exec(uri)?.[0] ?? uri;
    byContainer.set(container, uri);
  }
  return [...byContainer.values()];
}
