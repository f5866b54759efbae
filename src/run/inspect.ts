/**
 * `copilot inspect`: shows what is in inputs.pb, outputs.pb, error.pb or an interface.
 * @module
 */
import type { InspectCommand } from "../cli/mod.ts";
import { guessKind, render } from "../flyte/inspect/mod.ts";
import { Stores } from "../storage/stores.ts";
import type { System } from "../system/mod.ts";

/** Milliseconds until the store must have answered. */
const TIMEOUT_MS = 60_000;

/** What inspecting takes from the world. */
export interface InspectContext {
  system: System;
  env: Readonly<Record<string, string>>;
  caCerts: string[];
  /** Tells of what was odd. */
  warn(message: string): void;
}

/**
 * Reads and renders one document.
 *
 * @returns text for standard output, with a newline at its end
 * @throws CopilotError `input` for bytes that are not what they are taken for
 */
export async function inspectUri(command: InspectCommand, context: InspectContext): Promise<string> {
  const { clock, random } = context.system;
  const controller = new AbortController();
  const stores = new Stores({
    config: command.storage,
    context: { ...context, allow: () => Promise.resolve() },
    warn: context.warn,
    retry: { clock, random, deadlineMs: clock.monotonicMs() + TIMEOUT_MS },
  });
  try {
    const bytes = await stores.read(command.uri, {
      what: "the document",
      maxBytes: command.storage.maxDownloadBytes,
      signal: controller.signal,
    });
    const text = render(bytes, command.documentKind ?? guessKind(command.uri, bytes), command.output);
    return text.endsWith("\n") ? text : `${text}\n`;
  } finally {
    await stores.close();
  }
}
