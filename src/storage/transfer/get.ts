/**
 * Objects to files: one stream for a small object, several ranges at once for a large one, one pass over the bytes.
 * @module
 */
import { CopilotError } from "../../errors.ts";
import { combine, createHasher, type Hasher } from "../checksum.ts";
import type { ByteReader, Checksum, GetResult, ObjectStore } from "../store.ts";
import type { Engine } from "./engine.ts";
import type { StagedFile, Staging } from "./staging.ts";

const MIB = 1024 * 1024;
/** Blobs get 0666 before the umask, as the original gives them. */
const BLOB_MODE = 0o666;

/**
 * Bytes of a range, so that a large object has many ranges per slot and a range outlasts its request's latency by far.
 *
 * @param sizeBytes the object's size
 */
export function rangeBytesFor(sizeBytes: number): number {
  return Math.min(64 * MIB, Math.max(8 * MIB, Math.ceil(sizeBytes / 128 / MIB) * MIB));
}

/** Where an object goes and what is known of it. */
export interface GetFileOptions {
  staging: Staging;
  /** Final, absolute path. */
  path: string;
}

/**
 * Fetches an object into a file. The caller holds a slot; a large object takes spare ones while nobody else wants them.
 *
 * The first request has no range: its reply tells size, ETag and checksum, so no HEAD is needed. Where the object is large,
 * that stream goes on from the front while others take ranges from the back, until they meet.
 *
 * @throws CopilotError as the store gives them; `integrity` when bytes differ from the store's checksum
 */
export async function getFile(
  engine: Engine,
  store: ObjectStore,
  key: string,
  options: GetFileOptions,
): Promise<void> {
  const first = await store.get(key, { signal: engine.signal });
  let staged: StagedFile | undefined;
  try {
    staged = options.staging.create(BLOB_MODE);
    const object = `${store.root}/${key}`;
    const large = store.traits.parallelRanges && first.info.size > 2 * rangeBytesFor(first.info.size);
    if (large) await fetchRanges(engine, store, first, staged, object);
    else await fetchStream(engine, first, staged, object);
    staged.commit(options.path);
    engine.progress.files++;
  } finally {
    first.body.close();
    staged?.discard();
  }
}

/** One stream from the first byte to the last. */
async function fetchStream(
  engine: Engine,
  got: GetResult,
  staged: StagedFile,
  object: string,
): Promise<void> {
  const hasher = got.info.checksum === undefined ? null : await createHasher(got.info.checksum.name);
  const buffer = engine.buffers.take();
  try {
    const length = await pump(engine, got.body, {
      end: got.info.size,
      start: 0,
      buffer,
      hasher,
      write: staged.file.write,
    });
    if (length !== got.info.size) throw lengthError(object, length, got.info.size);
  } finally {
    engine.buffers.give(buffer);
  }
  if (hasher !== null) verify(object, got.info.checksum!, hasher.hex());
}

interface Pump {
  start: number;
  end: number;
  buffer: Uint8Array;
  hasher: Hasher | null;
  write(bytes: Uint8Array, offset: number): void;
}

/** Moves bytes from a body until `end` or the body's end; gives the offset reached. */
async function pump(engine: Engine, body: ByteReader, job: Pump): Promise<number> {
  let at = job.start;
  while (at < job.end) {
    const room = job.end - at;
    const count = await body.read(room < job.buffer.length ? job.buffer.subarray(0, room) : job.buffer);
    if (count === null) break;
    const bytes = job.buffer.subarray(0, count);
    job.hasher?.update(bytes);
    job.write(bytes, at);
    at += count;
    engine.progress.bytes += count;
  }
  return at;
}

interface Ranges {
  object: string;
  rangeBytes: number;
  count: number;
  /** The next range of the stream from the front, and the end of those that are still free. */
  front: number;
  back: number;
  hexes: (string | undefined)[];
}

/** Several streams: the first reply's from the front, spare slots' ranges from the back. */
async function fetchRanges(
  engine: Engine,
  store: ObjectStore,
  first: GetResult,
  staged: StagedFile,
  object: string,
): Promise<void> {
  const { size, key, checksum, etag } = first.info;
  const rangeBytes = rangeBytesFor(size);
  const count = Math.ceil(size / rangeBytes);
  const ranges: Ranges = { object, rangeBytes, count, front: 0, back: count, hexes: [] };
  const crc = checksum !== undefined && checksum.name.startsWith("crc") ? checksum : undefined;
  staged.file.truncate(size);
  const write = (bytes: Uint8Array, offset: number) => {
    staged.file.seek(offset);
    staged.file.write(bytes);
  };
  const fill = async (body: ByteReader, index: number, buffer: Uint8Array) => {
    const start = index * rangeBytes;
    const end = Math.min(size, start + rangeBytes);
    const hasher = crc === undefined ? null : await createHasher(crc.name);
    const reached = await pump(engine, body, { start, end, buffer, hasher, write });
    if (reached !== end) throw lengthError(object, reached, size);
    ranges.hexes[index] = hasher?.hex();
  };
  const helpers: Promise<void>[] = [];
  const helper = () => fetchFromBack(engine, store, key, { ranges, size, etag, fill });
  const buffer = engine.buffers.take();
  try {
    while (ranges.front < ranges.back) {
      const index = ranges.front++;
      while (helpers.length < ranges.back - ranges.front) {
        const spare = engine.startSpare(helper);
        if (spare === null) break;
        spare.catch((error) => engine.fail(error));
        helpers.push(spare);
      }
      await fill(first.body, index, buffer);
    }
  } finally {
    first.body.close();
    engine.buffers.give(buffer);
    await Promise.allSettled(helpers);
  }
  await Promise.all(helpers);
  if (crc !== undefined) verify(object, crc, combined(crc, ranges, size));
}

interface BackJob {
  ranges: Ranges;
  size: number;
  etag: string | undefined;
  fill(body: ByteReader, index: number, buffer: Uint8Array): Promise<void>;
}

async function fetchFromBack(engine: Engine, store: ObjectStore, key: string, job: BackJob): Promise<void> {
  const { ranges } = job;
  const buffer = engine.buffers.take();
  try {
    while (ranges.front < ranges.back) {
      const index = --ranges.back;
      const start = index * ranges.rangeBytes;
      const end = Math.min(job.size, start + ranges.rangeBytes);
      const pin = job.etag === undefined ? {} : { ifMatch: job.etag };
      const got = await store.get(key, { start, end, signal: engine.signal, ...pin });
      try {
        if (got.start !== start || got.info.size !== job.size) {
          throw new CopilotError(
            "changed",
            `Cannot read "${ranges.object}": it changed while it was being read`,
            {
              object: ranges.object,
            },
          );
        }
        await job.fill(got.body, index, buffer);
      } finally {
        got.body.close();
      }
    }
  } finally {
    engine.buffers.give(buffer);
  }
}

function combined(crc: Checksum, ranges: Ranges, size: number): string {
  let hex = ranges.hexes[0]!;
  for (let index = 1; index < ranges.count; index++) {
    const length = Math.min(size - index * ranges.rangeBytes, ranges.rangeBytes);
    hex = combine(crc.name, hex, ranges.hexes[index]!, length);
  }
  return hex;
}

function lengthError(object: string, got: number, wanted: number): CopilotError {
  return new CopilotError("integrity", `Cannot read "${object}": got ${got} bytes, expected ${wanted}`, {
    object,
  });
}

function verify(object: string, expected: Checksum, hex: string): void {
  if (hex === expected.hex) return;
  throw new CopilotError(
    "integrity",
    `Cannot read "${object}": its ${expected.name} is ${hex}, the store says ${expected.hex}`,
    { object },
  );
}
