/**
 * OTLP over HTTP/1.1: one request a signal, tried again while there is time and the collector asks for it.
 * @module
 */
import { codeOfStatus, CopilotError, from } from "../errors.ts";
import { HttpClient } from "../http/client.ts";
import { parseHttpUrl } from "../http/origin.ts";
import { deadlineIn } from "../system/deadline.ts";
import type { TelemetryContext } from "./mod.ts";
import { keyValues, type TelemetrySettings } from "./settings.ts";

/** Tries of one request; a run's end does not wait for more. */
const ATTEMPTS = 3;
const PAUSE_MS = 200;

/** Sends to a collector. */
export class Exporter {
  readonly #settings: TelemetrySettings;
  readonly #context: TelemetryContext;
  readonly #http: HttpClient;

  constructor(settings: TelemetrySettings, context: TelemetryContext) {
    this.#settings = settings;
    this.#context = context;
    const { system: { network, clock }, env, caCerts } = context;
    const { timeoutMs } = settings;
    this.#http = new HttpClient({
      network,
      clock,
      env,
      caCerts,
      connectTimeoutMs: timeoutMs,
      headTimeoutMs: timeoutMs,
    });
  }

  /**
   * Sends one signal.
   *
   * @throws CopilotError when the collector has not taken it in time
   */
  async send(signal: "TRACES" | "METRICS", url: string, body: Uint8Array | undefined): Promise<void> {
    if (body === undefined) return;
    const { clock } = this.#context.system;
    const bound = deadlineIn(clock, this.#settings.timeoutMs, { what: "Telemetry" });
    try {
      for (let attempt = 1;; attempt++) {
        try {
          return await this.#post(signal, url, { body, signal: bound.signal });
        } catch (thrown) {
          const error = from(thrown, { action: "send telemetry to", object: url });
          if (!error.retryable || attempt === ATTEMPTS) throw error;
          await clock.sleep(PAUSE_MS, bound.signal);
        }
      }
    } finally {
      bound.clear();
    }
  }

  close(): void {
    this.#http.close();
  }

  async #post(name: "TRACES" | "METRICS", url: string, { body, signal }: Post): Promise<void> {
    const { env } = this.#context;
    const { origin, path, authorization } = parseHttpUrl(url, `the endpoint for telemetry`);
    const type = this.#settings.format === "json" ? "application/json" : "application/x-protobuf";
    const headers = env[`OTEL_EXPORTER_OTLP_${name}_HEADERS`] || env["OTEL_EXPORTER_OTLP_HEADERS"];
    const reply = await this.#http.request({
      method: "POST",
      origin,
      path,
      headers: [
        ["Content-Type", type],
        ...(authorization === undefined ? [] : [["Authorization", authorization] as const]),
        ...keyValues(headers),
      ],
      body,
      object: origin.key,
      signal,
    });
    reply.body.close();
    if (reply.status >= 200 && reply.status < 300) return;
    throw new CopilotError(codeOfStatus(reply.status), {
      action: "send telemetry to",
      object: origin.key,
      detail: `the collector answered ${reply.status}`,
      status: reply.status,
    });
  }
}

interface Post {
  body: Uint8Array;
  signal: AbortSignal;
}
