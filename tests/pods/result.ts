/**
 * What goes into the store before a pod, and what the pod leaves there.
 * @module
 */
import assert from "assert";
import { Buffer } from "node:buffer";
import { decodeLiteralMap, encode } from "../../src/flyte/codec/idl.ts";
import type { Bucket } from "../faults/bucket.ts";
import { decodeErrorText } from "../faults/documents.ts";
import { primitive } from "../support/flyte.ts";
import { literalMap } from "../support/plans.ts";

/** Puts a task's inputs into the store, all of them strings. */
export async function putInputs(
  bucket: Bucket,
  key: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const literals = Object.entries(values).map(([name, value]) =>
    [name, primitive({ case: "stringValue", value })] as const
  );
  await bucket.put(key, encode("LiteralMap", literalMap(Object.fromEntries(literals))));
}

/** What a sidecar has left in the store. */
export class Result {
  readonly #bucket: Bucket;
  readonly #prefix: string;
  readonly #documents: string;
  readonly #names: { number: string; file: string };

  /**
   * @param place.documents where outputs.pb and error.pb are, below the prefix
   * @param names of the two outputs
   */
  constructor(
    bucket: Bucket,
    { prefix, documents = "out" }: { prefix: string; documents?: string },
    names = { number: "number", file: "file" },
  ) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#documents = `${prefix}/${documents}`;
    this.#names = names;
  }

  /** Asserts a success: outputs.pb with both outputs, the file's object, no error.pb. @param content the file's */
  async assertSuccess(content: string | Uint8Array = "content\n"): Promise<void> {
    assert.equal(await this.error(), null);
    const document = await this.#bucket.get(`${this.#documents}/outputs.pb`);
    assert(document !== null, "outputs.pb is there");
    const { literals } = decodeLiteralMap(document);
    const { number, file } = this.#names;
    assert.deepEqual([...literals.keys()].sort(), [file, number].sort());
    const value = literals.get(number)?.value;
    assert(value?.case === "scalar" && value.value.value?.case === "primitive");
    assert.deepEqual(value.value.value.value.value, { case: "integer", value: 42n });
    const bytes = await this.#bucket.get(`${this.#prefix}/raw/${file}`);
    const expected = typeof content === "string" ? new TextEncoder().encode(content) : content;
    assert(bytes !== null && Buffer.compare(bytes, expected) === 0, "the file's object has its bytes");
    assert.deepEqual(await this.#bucket.openUploads(this.#prefix), []);
  }

  /** Asserts a failure: error.pb with these texts, no outputs.pb. */
  async assertFailure(...texts: (string | RegExp)[]): Promise<void> {
    const error = await this.error();
    assert(error !== null, "error.pb is there");
    for (const text of texts) {
      assert(typeof text === "string" ? error.includes(text) : text.test(error), error);
    }
    assert.equal(await this.#bucket.get(`${this.#documents}/outputs.pb`), null);
  }

  /** Asserts that there is neither outputs.pb nor error.pb yet. */
  async assertNothing(): Promise<void> {
    assert.deepEqual(await this.#bucket.keys(this.#documents), []);
  }

  /** Code and message of error.pb, null without one. */
  async error(): Promise<string | null> {
    return decodeErrorText(await this.#bucket.get(`${this.#documents}/error.pb`));
  }
}
