/**
 * Long texts in UTF-8, written in parts of which few are held at a time: a text that JSON escapes is six times as long as the one
 * in memory, and a process in 128 MiB has no room for it.
 * @module
 */

/** Takes bytes, which are the writer's again afterwards. */
export type ByteSink = (bytes: Uint8Array) => void;

/** What a file is to hold, written into a sink, time and again the same. */
export type Content = (write: ByteSink) => void;

/** Characters that are held before they become bytes. */
const PENDING_CHARACTERS = 16 * 1024;
/** Characters of a long text that are looked at together: few, since what is made for each escape is small and goes at once then. */
const PIECE_CHARACTERS = 2 * 1024;

const encoder = new TextEncoder();

/** What a text is written to, part by part; an array of parts is one too. */
export interface TextSink {
  push(...parts: string[]): unknown;
}

/** A text on its way into bytes. */
export class TextBytes implements TextSink {
  readonly #write: ByteSink;
  readonly #buffer = new Uint8Array(PENDING_CHARACTERS * 3);
  #pending = "";

  constructor(write: ByteSink) {
    this.#write = write;
  }

  push(...parts: string[]): void {
    for (const part of parts) {
      this.#pending += part;
      if (this.#pending.length >= PENDING_CHARACTERS) this.end();
    }
  }

  /** Hands on what is held. To be called when nothing follows. */
  end(): void {
    if (this.#pending.length <= PENDING_CHARACTERS) this.#encode(this.#pending);
    else for (const piece of pieces(this.#pending)) this.#encode(piece);
    this.#pending = "";
  }

  #encode(text: string): void {
    const { written } = encoder.encodeInto(text, this.#buffer);
    if (written > 0) this.#write(this.#buffer.subarray(0, written));
  }
}

/** A text in pieces of at most 2,048 characters; no surrogate pair is divided. */
export function* pieces(text: string): Generator<string> {
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + PIECE_CHARACTERS, text.length);
    if (end < text.length && end - start > 1 && isHighSurrogate(text.charCodeAt(end - 1))) end--;
    yield text.slice(start, end);
    start = end;
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** Writes a text, whatever its length. */
export function writeText(text: string, write: ByteSink): void {
  if (text.length <= PENDING_CHARACTERS) return write(encoder.encode(text));
  const out = new TextBytes(write);
  for (const piece of pieces(text)) out.push(piece);
  out.end();
}

/** How many bytes a content has. */
export function lengthOf(content: Content): number {
  let length = 0;
  content((bytes) => length += bytes.length);
  return length;
}

/** All of a content, for what is known to be short. */
export function bytesOf(content: Content): Uint8Array {
  const parts: Uint8Array[] = [];
  content((bytes) => parts.push(bytes.slice()));
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
