/**
 * Long texts in UTF-8, put together from short ones, of which few are held at a time.
 * @module
 */

/** Characters that are held before they become bytes. */
const PENDING_CHARACTERS = 16 * 1024;

const encoder = new TextEncoder();

/** What a text is written to, part by part; an array of parts is one too. */
export interface TextSink {
  push(...parts: string[]): unknown;
}

/** A text that grows at its end. */
export class TextBytes implements TextSink {
  readonly #chunks: Uint8Array[] = [];
  #pending = "";

  push(...parts: string[]): void {
    for (const part of parts) this.#pending += part;
    if (this.#pending.length >= PENDING_CHARACTERS) this.#flush();
  }

  /** The whole text; nothing is written to it any more. */
  finish(): Uint8Array {
    this.#flush();
    const whole = new Uint8Array(this.#chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  #flush(): void {
    this.#chunks.push(encoder.encode(this.#pending));
    this.#pending = "";
  }
}
