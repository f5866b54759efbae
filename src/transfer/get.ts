/**
 * Objects to files: one stream for a small object, several ranges at once for a large one, one pass over the bytes.
 * @module
 */
import { createHasher } from "../storage/checksum.ts";
import type { GetResult, ObjectStore } from "../storage/store.ts";
import { shownUri } from "../storage/uri.ts";
import type { Engine } from "./session.ts";
import { lengthError, pump, verify } from "./pump.ts";
import { fetchRanges, rangeBytesFor } from "./ranges.ts";
import type { StagedFile, Staging } from "./staging.ts";

/** Blobs get 0666 before the umask, as the original gives them. */
const BLOB_MODE = 0o666;

/** Where an object goes and what is known of it. */
export interface GetFileOptions {
  staging: Staging;
  /** Final, absolute path. */
  path: string;
  /** Puts in front of an error what the object is for. Default: nothing. */
  named?(error: unknown): unknown;
}

/**
 * Fetches an object into a file. The caller holds a slot; a large object takes spare ones while nobody else wants them.
 *
 * The first request has no range: its reply tells size, ETag and checksum, so no HEAD is needed. Where the object is large,
 * that stream goes on from the front while others take ranges from the back, until they meet. An error of one of those
 * fails the run at once, so that the others end.
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
  const { named = (error: unknown) => error } = options;
  let staged: StagedFile | undefined;
  try {
    staged = options.staging.create(BLOB_MODE);
    const object = shownUri(`${store.root}/${key}`);
    const large = store.traits.parallelRanges && first.info.size > 2 * rangeBytesFor(first.info.size);
    if (large) await fetchRanges(engine, { store, first, staged, object, named });
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
