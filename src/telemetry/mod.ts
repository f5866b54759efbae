/**
 * What a run tells a collector: spans of the run, its variables and groups of objects, and figures. Off, it costs nothing.
 *
 * The OpenTelemetry packages are loaded by sdk.ts, and that only where telemetry is configured.
 * @module
 */
import { explain } from "../errors.ts";
import type { Fields, Log } from "../system/log.ts";
import type { System } from "../system/mod.ts";
import type { TelemetrySettings } from "./settings.ts";

/** A stretch of work. */
export interface Span {
  /** A part of it. */
  child(name: string, attributes?: Fields): Span;
  set(attributes: Fields): void;
  /** Ends it. @param error a code, where it failed */
  end(error?: string): void;
}

/** The figures of one run. */
export interface Figures {
  /** A request, with its retries. @param store a scheme and a host */
  request(
    event: { action: string; store: string; ms: number; retries: number; error: string | undefined },
  ): void;
  /** A file that was moved. */
  moved(event: { store: string; bytes: number; ms: number }): void;
  /** Milliseconds that a sidecar has waited for main. */
  waited(ms: number): void;
}

/** All of it, for one run. */
export interface Telemetry extends Figures {
  readonly span: Span;
  /** Whether anybody is told: what costs something to find out is not found out for nobody. */
  readonly isOn: boolean;
  /** Sends what there is, within the time of the settings; a collector that is down is a warning. */
  close(): Promise<void>;
}

/** What sending takes. */
export interface TelemetryContext {
  system: System;
  env: Readonly<Record<string, string>>;
  caCerts: string[];
  log: Log;
  /** Bytes of memory that the process holds. */
  residentBytes(): number;
  /** `download` or `sidecar`. */
  command: string;
  version: string;
}

/** A span of work that several do: it ends when everybody who holds it has let go. Its maker holds it first. */
export class SharedSpan {
  readonly #span: Span;
  #holders = 1;

  constructor(span: Span) {
    this.#span = span;
  }

  hold(): void {
    this.#holders++;
  }

  readonly release = (): void => {
    if (--this.#holders === 0) this.#span.end();
  };
}

/** A span that nobody is told of. */
export const NO_SPAN: Span = { child: () => NO_SPAN, set() {}, end() {} };

/** Tells nobody. */
export const NO_TELEMETRY: Telemetry = {
  span: NO_SPAN,
  isOn: false,
  request() {},
  moved() {},
  waited() {},
  close: () => Promise.resolve(),
};

/** Opens what the settings ask for. A fault of telemetry is never one of the run. */
export async function openTelemetry(
  settings: TelemetrySettings | undefined,
  context: TelemetryContext,
): Promise<Telemetry> {
  if (settings === undefined) return NO_TELEMETRY;
  try {
    const { startTelemetry } = await import("./sdk.ts");
    return startTelemetry(settings, context);
  } catch (thrown) {
    context.log.warning("no telemetry", { error: explain(thrown) });
    return NO_TELEMETRY;
  }
}
