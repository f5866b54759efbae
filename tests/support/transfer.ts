/**
 * Fetching into a directory, for the tests of one stream and of ranges.
 * @module
 */
import assert from "assert";
import { MemoryStore } from "../../src/storage/backends/memory/store.ts";
import { createHasher } from "../../src/storage/checksum.ts";
import {
  bytesSource,
  type ChecksumName,
  type GetOptions,
  type GetResult,
  type StoreTraits,
} from "../../src/storage/store.ts";
import { EtagTrust, Verification } from "../../src/storage/verification.ts";
import type { TransferSession } from "../../src/transfer/session.ts";
import { getFile } from "../../src/transfer/get.ts";
import { Staging, STAGING_NAME } from "../../src/transfer/staging.ts";
import type { System } from "../../src/system/mod.ts";
import { type Call, type Fault, FlakyStore } from "./fakes.ts";
import {
  MIB,
  openBelow,
  sessionOn,
  signal,
  type TemporaryDirectory,
  temporaryDirectory,
  TraitStore,
} from "./flows.ts";

/** A store whose objects have the checksum that a test wants. */
export class ChecksumStore extends TraitStore {
  readonly #name: ChecksumName | null;

  constructor(name: ChecksumName | null, traits: Partial<StoreTraits> = {}) {
    super("mem://b", traits);
    this.#name = name;
  }

  override async get(key: string, options: GetOptions): Promise<GetResult> {
    const got = await super.get(key, options);
    const { checksum: _, ...info } = got.info;
    if (this.#name === null) return { ...got, info };
    const whole = await super.get(key, { signal });
    const hasher = await createHasher(this.#name);
    const buffer = new Uint8Array(MIB);
    for (let count; (count = await whole.body.read(buffer)) !== null;) {
      hasher.update(buffer.subarray(0, count));
    }
    return { ...got, info: { ...info, checksum: { name: this.#name, hex: hasher.hex() } } };
  }
}

/** Judges the bytes of an object that is fetched once; a warning fails the test. */
export function verificationOf(key: string): Verification {
  return new Verification({
    uri: `mem://b/${key}`,
    trust: new EtagTrust(),
    skipMd5FromBytes: Infinity,
    skipped: assert.fail,
    warn: assert.fail,
  });
}

/** What {@linkcode getSetup} gives. */
export interface GetSetup extends Disposable {
  dir: TemporaryDirectory;
  flaky: FlakyStore;
  session: TransferSession;
  get(key?: string): Promise<void>;
  /** Asserts that nothing is open and nothing is left but `names` in the directory. */
  assertClean(...names: string[]): void;
}

/** A store with objects, an session, and a directory to fetch them into. */
export async function getSetup(
  objects: Record<string, Uint8Array>,
  options: {
    store?: MemoryStore;
    faultOf?: (call: Call) => Fault | null;
    system?: System;
    memoryLimitBytes?: number;
  } = {},
): Promise<GetSetup> {
  const dir = temporaryDirectory();
  const store = options.store ?? new MemoryStore("mem://b");
  for (const [key, bytes] of Object.entries(objects)) await store.put(key, bytesSource(bytes), { signal });
  const flaky = new FlakyStore(store, options.faultOf ?? (() => null));
  const session = sessionOn(options);
  const staging = new Staging(session.system, dir.path);
  return {
    dir,
    flaky,
    session,
    get: (key = "k") =>
      getFile(session, flaky, key, { staging, path: dir.at(key), verification: verificationOf(key) }),
    assertClean(...names) {
      assert.equal(flaky.openBodies, 0, "bodies are closed");
      assert.deepEqual(openBelow(dir.path), [], "descriptors are closed");
      const expected = [STAGING_NAME, ...names];
      const found = [...Deno.readDirSync(dir.path)].map(({ name }) => name);
      assert.deepEqual(found.filter((name) => !expected.includes(name)), []);
      for (const name of names) assert(found.includes(name), `${name} is there`);
      const unfinished = found.includes(STAGING_NAME) ? [...Deno.readDirSync(dir.at(STAGING_NAME))] : [];
      assert.deepEqual(unfinished, [], "no unfinished files");
      assert.equal(session.pool.active, 0);
    },
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

/** As session.ts has it. */
export const BUFFER = 256 * 1024;
