/**
 * What the steps of the storage contract share: the store under test, bytes, sources that misbehave.
 * @module
 */
import assert from "assert";
import { CopilotError, type ErrorCode } from "../../../src/errors.ts";
import { createHasher } from "../../../src/storage/checksum.ts";
import {
  type ByteSource,
  bytesSource,
  type ChecksumName,
  type GetOptions,
  type ObjectInfo,
  type ObjectStore,
  readAll,
} from "../../../src/storage/store.ts";

/** Clauses that a store may declare not to keep, each with its reason. */
export type Difference =
  | "exact-keys"
  | "any-key"
  | "backslash"
  | "control-character"
  | "long-key"
  | "long-name"
  | "key-and-prefix"
  | "marker"
  | "if-match"
  | "complete-after-abort"
  | "denied"
  | "cut-short"
  | "checksum"
  | "put-checksum";

/** A store under test. */
export interface StoreUnderTest {
  name: string;
  /** Opens the container; every run of the suite uses keys of its own in it. */
  open(): Promise<ObjectStore>;
  /** Opens the same container so that every request is refused. */
  openDenied?(): Promise<ObjectStore>;
  /** Opens the same container so that bodies of more than a MiB end early. */
  openCut?(): Promise<ObjectStore>;
  /** Prefix of all keys of this run, ending in `/`. */
  prefix: string;
  /** Objects for the listing of several pages. */
  manyObjects: number;
  /** Texts that no error may show. */
  secrets: string[];
  differences: Partial<Record<Difference, string>>;
}

/** One test. */
export interface Step {
  /** Number of the clause and what it says. */
  clause: string;
  run(bench: Bench): Promise<void>;
  /** The difference that a store may declare for it. */
  difference?: Difference;
  /** Parts come out of order or at once. */
  unordered?: boolean;
}

/** Bytes that differ everywhere. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = seed; i < length; i++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** A checksum of bytes in hexadecimal. */
export async function hexOf(name: ChecksumName, bytes: Uint8Array): Promise<string> {
  const hasher = await createHasher(name);
  hasher.update(bytes);
  return hasher.hex();
}

/** A source that gives its bytes in four steps, with a look around before each but the first. */
export function observed(bytes: Uint8Array, look: () => Promise<void>): ByteSource {
  const step = Math.ceil(bytes.length / 4);
  return {
    size: bytes.length,
    open() {
      let at = 0;
      return {
        async read(into) {
          if (at >= bytes.length) return null;
          if (at > 0) await look();
          const piece = bytes.subarray(at, at + Math.min(step, into.length));
          into.set(piece);
          at += piece.length;
          return piece.length;
        },
        close() {},
      };
    },
  };
}

/** A source that gives some bytes, then none for ever; the signal fires while it does. */
export function hanging(controller: AbortController): ByteSource {
  return {
    size: 2_000_000,
    open() {
      let given = false;
      return {
        read(into) {
          if (!given) {
            given = true;
            return Promise.resolve(Math.min(into.length, 1000));
          }
          setTimeout(() => controller.abort(), 5);
          return new Promise(() => {});
        },
        close() {},
      };
    },
  };
}

/** A source that promises more or fewer bytes than it gives. */
export function lying(promised: number, given: number): ByteSource {
  return { size: promised, open: () => bytesSource(pattern(given)).open() };
}

/** One run of the suite on one store. */
export class Bench {
  readonly under: StoreUnderTest;
  readonly store: ObjectStore;
  readonly signal = new AbortController().signal;

  constructor(under: StoreUnderTest, store: ObjectStore) {
    this.under = under;
    this.store = store;
  }

  /** The key of a name in this run. */
  key(name: string): string {
    return this.under.prefix + name;
  }

  async put(name: string, bytes: Uint8Array): Promise<ObjectInfo> {
    return await this.store.put(this.key(name), bytesSource(bytes), { signal: this.signal });
  }

  async read(name: string, options: Partial<GetOptions> = {}): Promise<Uint8Array> {
    const got = await this.store.get(this.key(name), { signal: this.signal, ...options });
    const bytes = await readAll(got.body, 1e8, () => new Error("too large"));
    assert.equal(bytes.length, got.length, "length of the body");
    return bytes;
  }

  /** All objects below a prefix, page by page. */
  async list(prefix: string): Promise<ObjectInfo[]> {
    const all: ObjectInfo[] = [];
    let token: string | undefined;
    do {
      const page = await this.store.list(prefix, {
        signal: this.signal,
        ...(token === undefined ? {} : { token }),
      });
      assert(page.objects.length <= 5000, "a page is bounded");
      all.push(...page.objects);
      token = page.next;
    } while (token !== undefined);
    return all;
  }

  /** Names below a name's key. */
  async keys(name: string): Promise<string[]> {
    return (await this.list(this.key(name))).map(({ key }) => key.slice(this.under.prefix.length));
  }

  /** Clause 12: the error that a call ends with has the right code, the URI as object, and no credential. */
  async fails(code: ErrorCode, name: string, call: Promise<unknown>): Promise<void> {
    const thrown = await call.then(() => assert.fail(`expected ${code}, but it succeeded`), (error) => error);
    if (!(thrown instanceof CopilotError)) throw thrown;
    assert.equal(thrown.code, code, thrown.message);
    assert(thrown.object?.endsWith(this.key(name)), `object of the error: ${thrown.object}`);
    const text = `${thrown.message} ${thrown.cause} ${JSON.stringify(thrown)} ${Deno.inspect(thrown)}`;
    for (const secret of this.under.secrets) assert(!text.includes(secret), "a credential in an error");
  }

  /** Removes what the run has left. */
  async cleanUp(): Promise<void> {
    const objects = await this.list(this.under.prefix);
    for (let at = 0; at < objects.length; at += 50) {
      const some = objects.slice(at, at + 50);
      await Promise.all(some.map(({ key }) => this.store.delete(key, { signal: this.signal })));
    }
  }
}
