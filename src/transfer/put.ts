/**
 * Files to objects: one request for a small file, parts at once for a large one, streamed through reused buffers.
 * @module
 */
import { deadlineIn, graceAfter } from "../system/deadline.ts";
import { cannot } from "../errors.ts";
import type { FileInfo, OpenFile } from "../system/mod.ts";
import { throwIfAborted } from "../system/abort.ts";
import { createHasher } from "../storage/checksum.ts";
import {
  type ByteSource,
  bytesSource,
  type MultipartUpload,
  type ObjectStore,
  type StoreTraits,
} from "../storage/store.ts";
import type { Progress, TransferSession } from "./session.ts";
import { MANY_STREAMS } from "./stream_limit.ts";

const MIB = 1024 * 1024;
/** A file from here on goes up in parts, where more than one stream helps. */
const MULTIPART_BYTES = 32 * MIB;
/** Milliseconds that a cancelled run waits for the name of an upload that it has begun: without it nobody could remove it. */
const BEGIN_GRACE_MS = 5000;
/** Milliseconds for removing the parts of a failed upload, when the run's own time is over. */
const ABORT_MS = 10_000;

/**
 * Bytes of a part: a size that keeps many parts in hand, larger where the store's number of parts would not do.
 *
 * @param sizeBytes the file's size
 * @throws CopilotError `unsupported` when the store cannot hold so large an object
 */
export function partBytesFor(sizeBytes: number, traits: StoreTraits): number {
  const wanted = Math.max(16 * MIB, traits.minPartBytes, Math.ceil(sizeBytes / traits.maxParts));
  const bytes = Math.ceil(wanted / traits.partMultiple) * traits.partMultiple;
  if (bytes > traits.maxPartBytes) {
    throw cannot(`store ${sizeBytes} bytes`, {
      unsupported: `the store takes at most ${traits.maxParts} parts of ${traits.maxPartBytes} bytes`,
    });
  }
  return bytes;
}

/**
 * Bytes of an open file, read at their offset, so that several parts may share the descriptor. The file is looked at again
 * with every read, so that no store gets the last byte of one that has changed.
 */
function fileSource({ file, unchanged, progress }: PutJob, start: number, size: number): ByteSource {
  let counted = 0;
  return {
    size,
    open() {
      let at = start;
      // What a failed try has sent is sent again.
      progress.bytes -= counted;
      counted = 0;
      const end = start + size;
      return {
        // deno-lint-ignore require-await -- what is thrown must reject
        async read(into) {
          if (at >= end) return null;
          file.seek(at);
          const count = file.read(into.length > end - at ? into.subarray(0, end - at) : into);
          unchanged();
          at += count ?? 0;
          counted += count ?? 0;
          progress.bytes += count ?? 0;
          progress.sentBytes += count ?? 0;
          return count;
        },
        close() {
          at = end;
        },
      };
    },
  };
}

/** A file that is opened when its turn has come. */
export interface LocalFile {
  /** For messages. */
  path: string;
  /** Opens it; throws unless it is a regular file in its place. */
  open(): OpenFile;
}

/**
 * Uploads a file. The caller holds a slot; a large file takes spare ones while nobody else wants them.
 *
 * @throws CopilotError `changed` when the file changed while it was read; nothing is left in the store then
 */
export async function putFile(
  session: TransferSession,
  store: ObjectStore,
  key: string,
  { path, open }: LocalFile,
): Promise<void> {
  const startedMs = session.system.clock.monotonicMs();
  const file = open();
  try {
    const before = file.stat();
    const unchanged = () => assertUnchanged(path, before, file.stat());
    const job: PutJob = { file, size: before.size, unchanged, progress: session.progress };
    if (before.size <= session.buffers.bytes) await putSmall(session, store, key, job);
    else if (before.size <= Math.min(MULTIPART_BYTES, store.traits.maxPutBytes)) {
      await store.put(key, fileSource(job, 0, job.size), { signal: session.signal });
    } else await putParts(session, store, key, job);
    session.moved({ uri: `${store.root}/${key}`, path, bytes: before.size }, startedMs);
  } finally {
    file.close();
  }
}

interface PutJob {
  file: OpenFile;
  size: number;
  /** Throws when the file is no longer what it was when it was opened. */
  unchanged(): void;
  /** Where bytes are counted as they are sent. */
  progress: Progress;
}

/** Through one buffer: its checksum is known before it is sent, and what is sent cannot change any more. */
async function putSmall(
  session: TransferSession,
  store: ObjectStore,
  key: string,
  job: PutJob,
): Promise<void> {
  const buffer = session.buffers.take();
  try {
    let length = 0;
    while (length < job.size) {
      const count = job.file.read(buffer.subarray(length, job.size));
      if (count === null) break;
      length += count;
    }
    job.unchanged();
    job.progress.sentBytes += length;
    const bytes = buffer.subarray(0, length);
    const hasher = await createHasher("crc32");
    hasher.update(bytes);
    const checksum = { name: "crc32", hex: hasher.hex() } as const;
    await store.put(key, bytesSource(bytes), { signal: session.signal, checksum });
    job.progress.bytes += length;
  } finally {
    session.buffers.give(buffer);
  }
}

/** In parts, each streamed from the file; removed again when anything fails. */
async function putParts(
  session: TransferSession,
  store: ObjectStore,
  key: string,
  job: PutJob,
): Promise<void> {
  const grace = graceAfter(session.system.clock, session.signal, BEGIN_GRACE_MS);
  const upload = await store.beginUpload(key, grace).finally(grace.clear);
  try {
    throwIfAborted(session.signal, `${store.root}/${key}`);
    await sendParts(session, store.traits, upload, job);
    job.unchanged();
    await upload.complete({ signal: session.signal });
  } catch (error) {
    // The run's own signal may have fired already; the parts must go all the same.
    const bound = deadlineIn(session.system.clock, ABORT_MS, { what: "Removal of a failed upload" });
    await upload.abort(bound).catch(() => {}).finally(bound.clear);
    throw error;
  }
}

async function sendParts(
  session: TransferSession,
  traits: StoreTraits,
  upload: MultipartUpload,
  job: PutJob,
): Promise<void> {
  const partBytes = partBytesFor(job.size, traits);
  const count = Math.ceil(job.size / partBytes);
  let next = 0;
  let failed = false;
  const work = async () => {
    while (next < count && !failed) {
      const index = next++;
      const start = index * partBytes;
      const source = fileSource(job, start, Math.min(partBytes, job.size - start));
      try {
        await upload.part(index + 1, source, { signal: session.signal });
      } catch (error) {
        failed = true;
        throw error;
      }
      recruit();
    }
  };
  const helpers: Promise<void>[] = [];
  const recruit = () => {
    while (
      !traits.orderedParts && !failed && helpers.length < Math.min(MANY_STREAMS, count) - 1 && next < count
    ) {
      const spare = session.startSpare(work);
      if (spare === null) break;
      spare.catch(() => {});
      helpers.push(spare);
    }
  };
  recruit();
  const own = work();
  await Promise.allSettled([own, ...helpers]);
  // Helpers may have been recruited while the first ones were awaited.
  await Promise.allSettled(helpers);
  await Promise.all([own, ...helpers]);
}

function assertUnchanged(path: string, before: FileInfo, now: FileInfo): void {
  if (before.size === now.size && before.mtimeMs === now.mtimeMs) return;
  throw cannot("upload", path, {
    changed: `it changed while it was being read (${before.size} bytes, then ${now.size})`,
  });
}
