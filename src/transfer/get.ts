/**
 * Objects to files: one stream for a small object, several ranges at once for a large one, one pass over the bytes.
 * @module
 */
import { cannot } from "../errors.ts";
import { createHasher } from "../storage/checksum.ts";
import type { ObjectStore } from "../storage/store.ts";
import { shownUri } from "../text/shown_uri.ts";
import type { TransferSession } from "./session.ts";
import { lengthError, type Verification } from "../storage/verification.ts";
import { pump } from "./pump.ts";
import { digestOfFile } from "./read_back.ts";
import { canRange, fetchRanges, rangeBytesFor, type RangedJob } from "./ranges.ts";
import type { StagedFile, Staging } from "./staging.ts";

/** Blobs get 0666 before the umask, as the original gives them. */
const BLOB_MODE = 0o666;

/** Where an object goes and what is known of it. */
export interface GetFileOptions {
  staging: Staging;
  /** Final, absolute path. */
  path: string;
  /** Judges the bytes, over all tries. */
  verification: Verification;
  /** Bytes that the object must have, where a listing said so. */
  size?: number;
  /** Called with the size of the object before anything is written; what it throws ends the transfer. */
  room?(bytes: number): void;
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
  session: TransferSession,
  store: ObjectStore,
  key: string,
  options: GetFileOptions,
): Promise<void> {
  const startedMs = session.system.clock.monotonicMs();
  const first = await store.get(key, { signal: session.signal });
  const { named = (error: unknown) => error, verification } = options;
  let staged: StagedFile | undefined;
  try {
    const uri = `${store.root}/${key}`;
    assertListedSize(first.info.size, options.size, uri);
    options.room?.(first.info.size);
    staged = options.staging.create(BLOB_MODE);
    if (options.size === undefined) session.expect(0, first.info.size);
    const large = first.info.size > 2 * rangeBytesFor(first.info.size);
    if (large && store.traits.parallelRanges && canRange(first)) {
      await fetchRanges(session, { store, first, staged, object: shownUri(uri), verification, named });
    } else await fetchStream(session, { first, staged, uri, verification });
    staged.commit(options.path);
    session.moved({ uri, path: options.path, bytes: first.info.size }, startedMs);
  } finally {
    first.body.close();
    staged?.discard();
  }
}

/** Throws CopilotError `changed` for an object of another size than its listing said: one of the two is not what was asked for. */
function assertListedSize(size: number, listed: number | undefined, uri: string): void {
  if (listed === undefined || listed === size) return;
  throw cannot("read", shownUri(uri), { changed: `its listing says ${listed} bytes, and it has ${size}` });
}

type StreamJob = Pick<RangedJob, "first" | "staged" | "verification"> & { uri: string };

/** One stream from the first byte to the last. */
async function fetchStream(
  session: TransferSession,
  { first: { info, body }, staged: { file }, uri, verification }: StreamJob,
): Promise<void> {
  const wanted = verification.wanted(info);
  const hasher = wanted === undefined ? null : await createHasher(wanted.name, info.size);
  const buffer = session.buffers.take();
  try {
    const length = await pump(session, body, { end: info.size, start: 0, buffer, hasher, write: file.write });
    if (length !== info.size) throw lengthError(shownUri(uri), length, info.size);
  } finally {
    session.buffers.give(buffer);
  }
  if (hasher === null) return;
  await verification.check({ info, hex: hasher.hex(), digest: (name) => digestOfFile(session, file, name) });
}
