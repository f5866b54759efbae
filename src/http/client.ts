/**
 * An HTTP/1.1 client for objects: few allocations per request, bodies straight between socket and caller's buffer, a bound on
 * every wait. It neither retries nor limits (clause 9 of store.ts), with the one exception that clause names.
 * @module
 */
import { cannot, CopilotError } from "../errors.ts";
import type { BackendContext } from "../storage/backend.ts";
import { MAX_TRANSFERS } from "./max_transfers.ts";
import type { ByteReader } from "../storage/store.ts";
import type { Clock, Network } from "../system/mod.ts";
import { ChunkedBody, EMPTY_BODY, FixedBody, UnboundedBody } from "./body.ts";
import { Channel, type ReadTimeouts } from "./channel.ts";
import { dial } from "./dial.ts";
import { formatHead, framing, type Head, type HttpHeaders, keepsAlive } from "./head.ts";
import type { Origin } from "./origin.ts";
import { type Proxy, proxyFor } from "./proxy.ts";
import { packSmall, sendLarge } from "./upload.ts";

/** A body that is read while it is sent. */
export interface StreamBody {
  /** Bytes, exactly: a source that gives fewer or more fails the request with `changed`. */
  readonly length: number;
  /** A new reader from the first byte; called again when a stale connection is replaced. */
  open(): ByteReader;
}

/** A request. */
export interface HttpRequest {
  method: string;
  origin: Origin;
  /** Path and query, percent-encoded, sent as they are. */
  path: string;
  /** Besides `Host` and `Content-Length`, which the client writes. */
  headers: readonly (readonly [string, string])[];
  body?: Uint8Array | StreamBody;
  /** What it is about, for messages: a URI without credentials. */
  object: string;
  signal: AbortSignal;
}

/** A reply, its body still on its way. */
export interface HttpResponse {
  status: number;
  headers: HttpHeaders;
  /** Bytes of the body, where the head says so. */
  length: number | undefined;
  /** The caller reads it to its end or closes it. */
  body: ByteReader;
}

/** What a client needs and its bounds. */
export interface HttpClientOptions {
  network: Network;
  clock: Clock;
  /** Where proxies are named. Default: none. */
  env?: Readonly<Record<string, string>>;
  /** PEM certificates trusted besides the system's. */
  caCerts?: string[];
  /** Until a connection is open, TLS and proxy included. Default 10,000. */
  connectTimeoutMs?: number;
  /** From the end of the request to the first byte of the reply. Default 60,000. */
  headTimeoutMs?: number;
  /** One read or write in the middle of a message. Default 30,000. */
  stallTimeoutMs?: number;
  /** How long an idle connection is kept. Default 15,000: S3 closes them after 20 s and more. */
  idleTimeoutMs?: number;
  /** Idle connections kept for one origin. Default: as many as there are transfers at once. */
  maxIdle?: number;
}

/** A connection that is being opened. */
interface Dialling {
  ticks: number;
  stop(error: CopilotError): void;
  expire(): void;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Whether a request failed because the server had closed the idle connection. A server may do that when it likes, so the
 * request that finds out is sent once more on a new one. Not POST: it may have been carried out.
 */
function isStale(request: HttpRequest, channel: Channel, thrown: unknown): boolean {
  const { failure } = channel;
  return channel.exchanges > 1 && !channel.replyBegun && failure !== null && failure === thrown &&
    failure.code === "network" && request.method !== "POST";
}

/** Connections to any number of origins. */
export class HttpClient {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #env: Readonly<Record<string, string>>;
  readonly #caCerts: string[];
  readonly #maxIdle: number;
  readonly #tickMs: number;
  readonly #connectTicks: number;
  readonly #idleTicks: number;
  readonly #timeouts: ReadTimeouts;
  readonly #idle = new Map<string, Channel[]>();
  readonly #busy = new Set<Channel>();
  readonly #dialling = new Set<Dialling>();
  readonly #proxies = new Map<string, Proxy | null>();
  #stopTicker: (() => void) | null = null;
  #closed = false;

  constructor(options: HttpClientOptions) {
    const connectMs = options.connectTimeoutMs ?? 10_000;
    const headMs = options.headTimeoutMs ?? 60_000;
    const stallMs = options.stallTimeoutMs ?? 30_000;
    const idleMs = options.idleTimeoutMs ?? 15_000;
    this.#network = options.network;
    this.#clock = options.clock;
    this.#env = options.env ?? {};
    this.#caCerts = options.caCerts ?? [];
    this.#maxIdle = options.maxIdle ?? MAX_TRANSFERS;
    this.#tickMs = Math.max(5, Math.min(1000, Math.floor(Math.min(connectMs, headMs, stallMs, idleMs) / 4)));
    // One more, because a wait may begin just before a tick.
    const ticks = (ms: number) => Math.ceil(ms / this.#tickMs) + 1;
    this.#connectTicks = ticks(connectMs);
    this.#idleTicks = ticks(idleMs);
    this.#timeouts = { headTicks: ticks(headMs), stallTicks: ticks(stallMs) };
  }

  /**
   * Sends a request and waits for the head of its reply, whatever the status.
   *
   * @throws CopilotError `network` for a connection or reply that breaks, `timeout` for a wait past its bound, `aborted`,
   * `changed` for a body that is not as long as it said, `config` or `denied` where the connection cannot be opened
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    this.#checkOpen(request);
    let channel = this.#idle.get(request.origin.key)?.pop() ?? await this.#open(request);
    for (;;) {
      this.#busy.add(channel);
      channel.begin(request.object, request.signal);
      try {
        this.#checkOpen(request);
        return this.#response(request, channel, await this.#exchange(request, channel));
      } catch (thrown) {
        this.#drop(channel);
        if (!isStale(request, channel, thrown)) throw thrown;
        channel = await this.#open(request);
      }
    }
  }

  /** Closes all connections; requests under way reject with `aborted`. Idempotent. */
  close(): void {
    this.#closed = true;
    const error = new CopilotError("aborted", "Connections closed");
    for (const dialling of [...this.#dialling]) dialling.stop(error);
    for (const channel of this.#busy) channel.fail(error);
    for (const channels of this.#idle.values()) channels.forEach((channel) => channel.fail(error));
    this.#busy.clear();
    this.#idle.clear();
    this.#stopTicker?.();
    this.#stopTicker = null;
  }

  #checkOpen({ object, signal }: HttpRequest): void {
    if (this.#closed || signal.aborted) {
      throw new CopilotError("aborted", { detail: `Request for "${object}" cancelled`, object });
    }
  }

  #proxyOf(origin: Origin): Proxy | null {
    let proxy = this.#proxies.get(origin.key);
    if (proxy === undefined) this.#proxies.set(origin.key, proxy = proxyFor(this.#env, origin));
    return proxy;
  }

  /** Opens a connection, within its bound. */
  #open({ origin, object, signal }: HttpRequest): Promise<Channel> {
    return new Promise((resolve, reject) => {
      const abort = new AbortController();
      const done = () => {
        signal.removeEventListener("abort", cancel);
        return this.#dialling.delete(dialling);
      };
      const dialling: Dialling = {
        ticks: this.#connectTicks,
        stop(error) {
          done();
          reject(error);
          abort.abort(error);
        },
        expire() {
          this.stop(
            cannot("connect to", origin.key, { timeout: "no answer" }),
          );
        },
      };
      const cancel = () =>
        dialling.stop(new CopilotError("aborted", { detail: `Request for "${object}" cancelled`, object }));
      this.#dialling.add(dialling);
      if (signal.aborted || this.#closed) return cancel();
      signal.addEventListener("abort", cancel);
      this.#startTicker();
      dial(this.#network, origin, {
        proxy: this.#proxyOf(origin),
        caCerts: this.#caCerts,
        signal: abort.signal,
      }).then(
        (connection) => done() ? resolve(new Channel(connection, this.#timeouts)) : connection.close(),
        (thrown) => void (done() && reject(thrown)),
      );
    });
  }

  /** Sends the request and reads the head of the reply. */
  async #exchange(request: HttpRequest, channel: Channel): Promise<Head> {
    const { method, origin, path, headers, body = NO_BYTES, object } = request;
    const proxy = this.#proxyOf(origin);
    const plainProxy = proxy !== null && !origin.secure;
    const authorization = plainProxy ? proxy.authorization : undefined;
    const head = formatHead({
      method,
      target: plainProxy ? `http://${origin.authority}${path}` : path,
      host: origin.authority,
      headers: authorization === undefined ? headers : [...headers, ["Proxy-Authorization", authorization]],
      length: request.body?.length,
    });
    const upload = { head, body, object };
    const packed = packSmall(upload, channel.buffer);
    if (packed === null) return await sendLarge(channel, upload);
    await channel.write(await packed);
    const reply = channel.readHead();
    channel.expectReply();
    return await reply;
  }

  #response(request: HttpRequest, channel: Channel, head: Head): HttpResponse {
    const { status, headers } = head;
    const frame = channel.checked(() => framing(request.method, head));
    if (!keepsAlive(head)) channel.reusable = false;
    const release = (whole: boolean) => this.#release(request.origin.key, channel, whole);
    if (frame.kind === "chunked") {
      return { status, headers, length: undefined, body: new ChunkedBody(channel, release) };
    }
    if (frame.kind === "close") {
      return { status, headers, length: undefined, body: new UnboundedBody(channel, release) };
    }
    if (frame.length === 0) release(true);
    const body = frame.length === 0 ? EMPTY_BODY : new FixedBody(channel, frame.length, release);
    return { status, headers, length: frame.length, body };
  }

  /** Takes a connection back: into the pool where another request can follow, else closed. */
  #release(key: string, channel: Channel, whole: boolean): void {
    // Unexpected trailing bytes: do not reuse the connection.
    if (!whole || !channel.reusable || channel.failure !== null || channel.start !== channel.end) {
      return this.#drop(channel);
    }
    this.#busy.delete(channel);
    channel.finish();
    const channels = this.#idle.get(key);
    if (channels === undefined) this.#idle.set(key, [channel]);
    else channels.push(channel);
    if (channels !== undefined && channels.length > this.#maxIdle) channels.shift()!.fail(this.#idleClosed());
  }

  #drop(channel: Channel): void {
    this.#busy.delete(channel);
    channel.finish();
    channel.fail(this.#idleClosed());
  }

  #idleClosed(): CopilotError {
    return cannot("use a connection", { aborted: "it is closed" });
  }

  #startTicker(): void {
    this.#stopTicker ??= this.#clock.every(this.#tickMs, () => this.#tick());
  }

  #tick(): void {
    for (const dialling of [...this.#dialling]) {
      if (--dialling.ticks <= 0) dialling.expire();
    }
    for (const channel of this.#busy) channel.tick();
    for (const [key, channels] of this.#idle) {
      const kept = channels.filter((channel) => ++channel.idleTicks < this.#idleTicks);
      channels.filter((channel) => !kept.includes(channel)).forEach((channel) =>
        channel.fail(this.#idleClosed())
      );
      if (kept.length === 0) this.#idle.delete(key);
      else this.#idle.set(key, kept);
    }
    if (this.#dialling.size + this.#busy.size + this.#idle.size > 0) return;
    this.#stopTicker?.();
    this.#stopTicker = null;
  }
}

/**
 * The client of one store: proxies and trust from the context, closed with the run.
 *
 * @param context what the backend was opened with
 */
export function clientFor(context: BackendContext): HttpClient {
  const { system, env, caCerts, signal } = context;
  const client = new HttpClient({ network: system.network, clock: system.clock, env, caCerts });
  signal.addEventListener("abort", () => client.close(), { once: true });
  return client;
}
