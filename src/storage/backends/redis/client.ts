/**
 * Connections to one Redis server: opened when they are needed, logged in, kept for the next command, every wait bounded.
 *
 * Not a package: ioredis adds 15 MB to an idle run, node-redis 19 MB (both bundled, of 69 MB without), and both hold a value as a
 * whole in memory, which may be four times the container's limit. What a store needs of the protocol is in resp.ts.
 * @module
 */
import type { Secret } from "../../../config/mod.ts";
import { deadlineIn } from "../../../system/deadline.ts";
import { cannot, CopilotError } from "../../../errors.ts";
import type { Clock, Connection, Network } from "../../../system/mod.ts";
import { orAborted, throwIfAborted } from "../../../system/abort.ts";
import { Channel } from "../../../http/channel.ts";
import { dial } from "../../../http/dial.ts";
import { makeOrigin } from "../../../http/origin.ts";
import type { ByteSource } from "../../store.ts";
import type { RedisTarget } from "./settings.ts";
import { redisError } from "./faults.ts";
import { type Argument, encodeCommand, Fault, readReply, type Reply } from "./resp.ts";

/** What a command is about. */
export interface About {
  /** URI, for messages. */
  object: string;
  signal: AbortSignal;
}

/** What a client is made of. */
export interface RedisClientOptions {
  network: Network;
  clock: Clock;
  caCerts: string[];
  target: RedisTarget;
  username: string | undefined;
  password: Secret | undefined;
}

const CONNECT_MS = 10_000;
const TICK_MS = 1000;
/** Ticks of a wait for the server; a SCAN over a large database takes its time. */
const PATIENCE = { headTicks: 60, stallTicks: 60 };
const MAX_IDLE = 32;
const WRITE_BYTES = 64 * 1024;
const CRLF = new Uint8Array([13, 10]);

/** Connections to a server. */
export class RedisClient {
  readonly #options: RedisClientOptions;
  readonly #idle: Channel[] = [];
  readonly #busy = new Set<Channel>();
  readonly #end = new AbortController();
  #stopTicker: (() => void) | null = null;

  constructor(options: RedisClientOptions) {
    this.#options = options;
  }

  /** Sends commands in one go; gives their replies, faults among them. */
  async pipeline(about: About, commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    return await this.#exchange(about, async (channel) => {
      await sendCommands(channel, commands);
      const replies: Reply[] = [];
      for (let i = 0; i < commands.length; i++) replies.push(await readReply(channel));
      return replies;
    });
  }

  /**
   * Sends a command and gives its reply.
   *
   * @throws CopilotError for a fault; `action` is its verb
   */
  async command(about: About, action: string, args: readonly Argument[]): Promise<Exclude<Reply, Fault>> {
    const [reply] = await this.pipeline(about, [args]);
    if (reply instanceof Fault) throw redisError(reply, { action, object: about.object });
    return reply as Exclude<Reply, Fault>;
  }

  /**
   * Sends a command whose last argument is a source's bytes, which the server takes as a whole or not at all.
   *
   * @throws CopilotError `changed` for a source that is not as long as it said
   */
  async upload(about: About, action: string, args: readonly Argument[], source: ByteSource): Promise<void> {
    const reply = await this.#exchange(about, async (channel) => {
      await sendValue(channel, { args, source, about });
      return await readReply(channel);
    });
    if (reply instanceof Fault) throw redisError(reply, { action, object: about.object });
  }

  /** A connection for an exchange that goes on after this call; the caller releases it. */
  async acquire({ object, signal }: About): Promise<Channel> {
    throwIfAborted(signal, object);
    const channel = this.#idle.pop() ?? await this.#open(object, signal);
    this.#busy.add(channel);
    channel.begin(object, signal);
    this.#stopTicker ??= this.#options.clock.every(TICK_MS, () => this.#busy.forEach((busy) => busy.tick()));
    if (signal.aborted || this.#end.signal.aborted) {
      this.release(channel, { isWhole: false });
      throw new CopilotError("aborted", { detail: `Request for "${object}" cancelled`, object });
    }
    return channel;
  }

  /** Takes a connection back. @param isWhole its last reply was read to the end */
  release(channel: Channel, { isWhole }: { isWhole: boolean }): void {
    this.#busy.delete(channel);
    channel.finish();
    const isUsable = isWhole && channel.failure === null && channel.start === channel.end &&
      !this.#end.signal.aborted && this.#idle.length < MAX_IDLE;
    if (isUsable) this.#idle.push(channel);
    else channel.fail(cannot("use a connection", { aborted: "it is closed" }));
    if (this.#busy.size > 0) return;
    this.#stopTicker?.();
    this.#stopTicker = null;
  }

  /** Closes all connections. Idempotent. */
  close(): void {
    this.#end.abort();
    const error = new CopilotError("aborted", "Connections closed");
    for (const channel of [...this.#idle.splice(0), ...this.#busy]) channel.fail(error);
    this.#stopTicker?.();
    this.#stopTicker = null;
  }

  async #exchange<T>(about: About, exchange: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await this.acquire(about);
    let isWhole = false;
    try {
      const result = await exchange(channel);
      isWhole = true;
      return result;
    } finally {
      this.release(channel, { isWhole });
    }
  }

  async #open(object: string, signal: AbortSignal): Promise<Channel> {
    const { clock, target: { hostname, port } } = this.#options;
    const bound = deadlineIn(clock, CONNECT_MS, { what: `Connecting to ${hostname}:${port}` });
    const stop = AbortSignal.any([signal, this.#end.signal, bound.signal]);
    try {
      const dialling = this.#dial(stop);
      // One that arrives too late is closed.
      dialling.then((connection) => stop.aborted && connection.close(), () => {});
      const connection = await orAborted(dialling, stop, object);
      const channel = new Channel(connection, PATIENCE);
      channel.begin(object, stop);
      await this.#logIn(channel, object);
      channel.finish();
      return channel;
    } catch (thrown) {
      if (!bound.signal.aborted || signal.aborted) throw thrown;
      throw cannot("connect to", `${hostname}:${port}`, { timeout: "no answer" });
    } finally {
      bound.clear();
    }
  }

  #dial(signal: AbortSignal): Promise<Connection> {
    const { network, caCerts, target: { secure, hostname, port } } = this.#options;
    // Redis has no proxies; a certificate that is not trusted is told as such.
    const origin = makeOrigin(secure, hostname, port);
    return dial(network, origin, { proxy: null, caCerts, signal });
  }

  async #logIn(channel: Channel, object: string): Promise<void> {
    const { username, password, target } = this.#options;
    const commands: Argument[][] = [];
    if (password !== undefined) {
      commands.push(["AUTH", ...(username === undefined ? [] : [username]), password.reveal()]);
    }
    if (target.database !== 0) commands.push(["SELECT", target.database]);
    if (commands.length === 0) return;
    await sendCommands(channel, commands);
    for (let i = 0; i < commands.length; i++) {
      const reply = await readReply(channel);
      if (!(reply instanceof Fault)) continue;
      const error = redisError(reply, { action: "log in for", object });
      channel.fail(error);
      throw error;
    }
  }
}

/** Writes commands in one go. */
export async function sendCommands(
  channel: Channel,
  commands: readonly (readonly Argument[])[],
): Promise<void> {
  const encoded = commands.map((command) => encodeCommand(command));
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const command of encoded) {
    bytes.set(command, at);
    at += command.length;
  }
  await channel.write(bytes);
}

/** Writes a command with a source's bytes as last argument; the end of the command only if the source is as long as it said. */
async function sendValue(
  channel: Channel,
  { args, source, about }: { args: readonly Argument[]; source: ByteSource; about: About },
): Promise<void> {
  const { object, signal } = about;
  const changed = (detail: string) =>
    cannot("write", object, { changed: `its source ${detail} the ${source.size} bytes that were announced` });
  const head = encodeCommand(args, source.size);
  const buffer = new Uint8Array(head.length + Math.min(WRITE_BYTES, source.size) + CRLF.length);
  const full = buffer.length - CRLF.length;
  buffer.set(head);
  let filled = head.length;
  const reader = source.open();
  try {
    for (let left = source.size; left > 0;) {
      const into = buffer.subarray(filled, Math.min(full, filled + left));
      const count = await orAborted(reader.read(into), signal, object);
      if (count === null) throw changed("ended before");
      filled += count;
      left -= count;
      if (left === 0 || filled < full) continue;
      await channel.write(buffer.subarray(0, filled));
      filled = 0;
    }
    if (await orAborted(reader.read(new Uint8Array(1)), signal, object) !== null) {
      throw changed("has more than");
    }
    buffer.set(CRLF, filled);
    await channel.write(buffer.subarray(0, filled + CRLF.length));
  } finally {
    reader.close();
  }
}
