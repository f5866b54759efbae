/**
 * One pod through the Kubernetes API: a list, then a watch from the list's version, again and again.
 * @module
 */
import { cannot, codeOfStatus, CopilotError } from "../../../errors.ts";
import { HttpClient, type HttpResponse } from "../../../http/client.ts";
import { createMasker } from "../../../system/log.ts";
import type { WatcherContext } from "../../context.ts";
import type { Cluster } from "./cluster.ts";
import type { Pod } from "./pod.ts";

/** Objects in etcd are below 1.5 MiB; a line holds one in JSON. */
const MAX_LINE = 8 * 1024 * 1024;

/** An error's reply beyond this is none of an API server's. */
const MAX_ERROR = 64 * 1024;
/** Characters of a server's message that are shown. */
const MAX_MESSAGE = 1000;

/** The server ends a watch after this time; it is then taken up again where it ended. */
const WATCH_SECONDS = 300;

/** Bookmarks come every minute, so a watch without a byte for longer is a dead connection. */
const SILENCE_MS = 90_000;

/** What a watch tells. */
export type PodEvent =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; pod: Pod }
  | { type: "BOOKMARK"; pod: Pod };

/** A pod's name; prints as `NAMESPACE/NAME`. */
export class PodName {
  readonly namespace: string;
  readonly name: string;

  constructor(namespace: string, name: string) {
    this.namespace = namespace;
    this.name = name;
  }

  toString(): string {
    return `${this.namespace}/${this.name}`;
  }
}

/** Asks for one pod. Requests are not repeated here. */
export class PodApi {
  readonly pod: PodName;
  readonly #client: HttpClient;
  readonly #cluster: Cluster;
  /** The tokens that were sent last, which a server may repeat in whatever it answers. */
  #tokens: readonly string[] = [];

  constructor({ system, env }: WatcherContext, cluster: Cluster, pod: PodName) {
    this.#client = new HttpClient({
      network: system.network,
      clock: system.clock,
      env,
      caCerts: cluster.caCerts,
      stallTimeoutMs: SILENCE_MS,
    });
    this.#cluster = cluster;
    this.pod = pod;
  }

  /**
   * The pod as it is now, with the version from which a watch misses nothing.
   *
   * @returns the pod, null where there is none
   * @throws CopilotError `denied` for 401 and 403, else as the status or the connection says
   */
  async list(signal: AbortSignal): Promise<{ pod: Pod | null; version: string }> {
    const response = await this.#get("", signal);
    const list = this.#parse(await readAll(response, MAX_LINE)) as {
      metadata?: { resourceVersion?: string };
      items?: Pod[];
    };
    return { pod: list.items?.[0] ?? null, version: list.metadata?.resourceVersion ?? "" };
  }

  /**
   * Changes of the pod since a version, until the server ends the watch.
   *
   * @throws CopilotError `changed` when the version is too old and has to be listed anew, else as {@linkcode list}
   */
  async *watch(version: string, signal: AbortSignal): AsyncGenerator<PodEvent> {
    const query = `&watch=1&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${
      encodeURIComponent(version)
    }`;
    const response = await this.#get(query, signal);
    for await (const line of lines(response)) {
      const event = this.#parse(line) as {
        type?: string;
        object?: Pod & { code?: number; message?: string };
      };
      if (event.type === "ERROR") {
        throw failure(event.object?.code ?? 500, bounded(String(event.object?.message ?? "no message")));
      }
      if (isPodEvent(event)) yield { type: event.type, pod: event.object };
    }
  }

  /** Closes the connections; idempotent. */
  close(): void {
    this.#client.close();
  }

  async #get(query: string, signal: AbortSignal): Promise<HttpResponse> {
    const { origin, path } = this.#cluster.server;
    const { namespace, name } = this.pod;
    const token = this.#cluster.token();
    // With the one before: a watch that still runs was begun with that.
    if (token !== null && token.reveal() !== this.#tokens[0]) {
      this.#tokens = [token.reveal(), ...this.#tokens.slice(0, 1)];
    }
    const response = await this.#client.request({
      method: "GET",
      origin,
      path: `${path.replace(/\/$/, "")}/api/v1/namespaces/${
        encodeURIComponent(namespace)
      }/pods?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}${query}`,
      headers: [
        ["Accept", "application/json"],
        ...(token === null ? [] : [["Authorization", `Bearer ${token.reveal()}`] as const]),
      ],
      object: `pod ${this.pod}`,
      signal,
    });
    if (response.status === 200) return response;
    throw failure(response.status, await this.#messageOf(response));
  }

  /** The message of a `Status` object, or the beginning of whatever came. */
  async #messageOf(response: HttpResponse): Promise<string> {
    const text = await readAll(response, MAX_ERROR);
    try {
      const { message } = this.#parse(text) as { message?: unknown };
      if (typeof message === "string") return bounded(message);
    } catch { /* not from the API server but from something before it */ }
    return bounded(createMasker(this.#tokens)(text));
  }

  /** What a reply says, without the tokens that it may repeat, however they are written. */
  #parse(text: string): unknown {
    const mask = createMasker(this.#tokens);
    try {
      return JSON.parse(text, (_, value) => typeof value === "string" ? mask(value) : value);
    } catch {
      // The engine's own message repeats a part of the text.
      throw cannot("parse a reply of the Kubernetes API", {
        unavailable: `${text.length} characters that are no JSON`,
      });
    }
  }
}

/** As much of a server's message as is worth reading. */
function bounded(message: string): string {
  return message.length <= MAX_MESSAGE
    ? message
    : `${message.slice(0, MAX_MESSAGE)}… (${message.length} characters)`;
}

function isPodEvent(
  event: { type?: string; object?: Pod },
): event is { type: PodEvent["type"]; object: Pod } {
  return event.object !== undefined && /^(ADDED|MODIFIED|DELETED|BOOKMARK)$/.test(event.type ?? "");
}

function failure(status: number, message: string): CopilotError {
  const code = status === 410 ? "changed" : codeOfStatus(status);
  return new CopilotError(code, { detail: `The Kubernetes API answered ${status}: ${message}`, status });
}

async function readAll(response: HttpResponse, maxBytes: number): Promise<string> {
  let text = "";
  for await (const piece of pieces(response)) {
    text += piece;
    if (text.length > maxBytes) throw tooLong();
  }
  return text;
}

async function* lines(response: HttpResponse): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of pieces(response)) {
    const whole = (rest + piece).split("\n");
    rest = whole.pop()!;
    if (rest.length > MAX_LINE) throw tooLong();
    for (const line of whole) if (line.trim() !== "") yield line;
  }
}

async function* pieces({ body }: HttpResponse): AsyncGenerator<string> {
  const buffer = new Uint8Array(16 * 1024);
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const length = await body.read(buffer);
      if (length === null) return;
      yield decoder.decode(buffer.subarray(0, length), { stream: true });
    }
  } finally {
    body.close();
  }
}

function tooLong(): CopilotError {
  return cannot("read a reply of the Kubernetes API", { unavailable: `longer than ${MAX_LINE} bytes` });
}
