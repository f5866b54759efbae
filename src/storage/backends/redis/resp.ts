/**
 * Redis's protocol, version 2 (RESP2): commands to bytes, bytes to replies. Every length that a server sends is bounded.
 * @module
 */
import type { Channel } from "../../../http/channel.ts";

/** What a server says is wrong; a value and not an exception, because the replies behind it still have to be read. */
export class Fault {
  /** The first word: `ERR`, `WRONGTYPE`, `NOAUTH`, … */
  readonly code: string;
  readonly message: string;

  constructor(line: string) {
    const at = line.indexOf(" ");
    this.code = at < 0 ? line : line.slice(0, at);
    this.message = at < 0 ? "" : line.slice(at + 1);
  }
}

/** A reply: simple string, integer, bulk string, null, error, array. */
export type Reply = string | number | Uint8Array | null | Fault | Reply[];

/** A key, a number or a word. */
export type Argument = string | number;

const MAX_LINE_BYTES = 16 * 1024;
/** A bulk string that is not an object: a key or a word. Redis's keys may be longer than any URI. */
const MAX_TEXT_BYTES = 1024 * 1024;
/** Elements of an array: what a step of SCAN gives, many times over. */
const MAX_ELEMENTS = 1_000_000;
const MAX_DEPTH = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A command.
 *
 * @param valueBytes the length of a last argument whose bytes, and the CRLF behind them, are sent afterwards
 */
export function encodeCommand(args: readonly Argument[], valueBytes?: number): Uint8Array {
  const parts = [`*${args.length + (valueBytes === undefined ? 0 : 1)}\r\n`];
  for (const arg of args) {
    const text = String(arg);
    parts.push(`$${byteLength(text)}\r\n${text}\r\n`);
  }
  if (valueBytes !== undefined) parts.push(`$${valueBytes}\r\n`);
  return encoder.encode(parts.join(""));
}

function byteLength(text: string): number {
  return /^[\0-\x7f]*$/.test(text) ? text.length : encoder.encode(text).length;
}

/** The start of a reply: all of it, but for the bytes of a bulk string and the elements of an array. */
export type Head =
  | { kind: "done"; reply: string | number | null | Fault }
  | { kind: "bulk"; length: number }
  | { kind: "array"; count: number };

/** Reads the start of the next reply. */
export async function readHead(channel: Channel): Promise<Head> {
  const line = await readLine(channel);
  const rest = line.slice(1);
  switch (line[0]) {
    case "+":
      return { kind: "done", reply: rest };
    case "-":
      return { kind: "done", reply: new Fault(rest) };
    case ":":
      return { kind: "done", reply: integer(channel, rest) };
    case "$": {
      const length = integer(channel, rest);
      return length < 0 ? { kind: "done", reply: null } : { kind: "bulk", length };
    }
    case "*": {
      const count = integer(channel, rest);
      if (count > MAX_ELEMENTS) throw channel.broken(`an array of ${count} replies`);
      return count < 0 ? { kind: "done", reply: null } : { kind: "array", count };
    }
  }
  throw channel.broken(`no reply of Redis: ${JSON.stringify(line.slice(0, 40))}`);
}

/** Reads the next reply as a whole. */
export async function readReply(channel: Channel, depth = 0): Promise<Reply> {
  const head = await readHead(channel);
  if (head.kind === "done") return head.reply;
  if (head.kind === "bulk") return await readText(channel, head.length);
  if (depth === MAX_DEPTH) throw channel.broken("replies are nested too deeply");
  const replies: Reply[] = [];
  for (let i = 0; i < head.count; i++) replies.push(await readReply(channel, depth + 1));
  return replies;
}

/** Passes over the CRLF behind a bulk string. */
export async function readEnd(channel: Channel): Promise<void> {
  await have(channel, 2);
  if (channel.buffer[channel.start] !== 13 || channel.buffer[channel.start + 1] !== 10) {
    throw channel.broken("a value is longer than its length");
  }
  channel.start += 2;
}

async function readText(channel: Channel, length: number): Promise<Uint8Array> {
  if (length > MAX_TEXT_BYTES) throw channel.broken(`a text of ${length} bytes`);
  await have(channel, length);
  const bytes = channel.buffer.slice(channel.start, channel.start + length);
  channel.start += length;
  await readEnd(channel);
  return bytes;
}

/** Waits until that many bytes are in the buffer. */
async function have(channel: Channel, bytes: number): Promise<void> {
  while (channel.end - channel.start < bytes) {
    if (await channel.fill() === null) throw channel.broken("the connection was closed within a reply");
  }
}

async function readLine(channel: Channel): Promise<string> {
  for (let seen = 0;;) {
    const feed = channel.buffer.subarray(0, channel.end).indexOf(10, channel.start + seen);
    if (feed > channel.start && channel.buffer[feed - 1] === 13) {
      const line = decoder.decode(channel.buffer.subarray(channel.start, feed - 1));
      channel.start = feed + 1;
      return line;
    }
    seen = channel.end - channel.start;
    if (feed >= 0 || seen > MAX_LINE_BYTES) throw channel.broken("a reply's line has no end");
    if (await channel.fill() === null) {
      throw channel.broken("the connection was closed before the reply was there");
    }
  }
}

function integer(channel: Channel, text: string): number {
  const value = /^-?[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw channel.broken(`no number: ${JSON.stringify(text.slice(0, 40))}`);
  return value;
}
