/**
 * Sends a body that does not fit one small write, and hears a server that answers before it has it all.
 * @module
 */
import { cannot, type CopilotError } from "../errors.ts";
import { type ByteReader, bytesSource } from "../storage/store.ts";
import { BUFFERS } from "../system/buffers.ts";
import type { Channel } from "./channel.ts";
import type { Head } from "./head.ts";

const encoder = new TextEncoder();

/** A body of bytes or one that is opened for reading. */
export type Body = Uint8Array | { readonly length: number; open(): ByteReader };

/** What is sent. */
export interface Upload {
  /** The request's head as text. */
  head: string;
  body: Body;
  /** For messages. */
  object: string;
}

function changed(object: string, detail: string): CopilotError {
  return cannot("send", object, { changed: detail });
}

function openBody(body: Body): ByteReader {
  return body instanceof Uint8Array ? bytesSource(body).open() : body.open();
}

/** Fails unless the reader is at its end. */
async function expectEnd(reader: ByteReader, { object, body }: Upload): Promise<void> {
  if (await reader.read(new Uint8Array(1)) !== null) {
    throw changed(object, `there are more bytes than the ${body.length} that were announced`);
  }
}

/** Reads into all of `into`; the bytes that came before the end are not enough otherwise. */
async function readFull(reader: ByteReader, into: Uint8Array, { object, body }: Upload): Promise<void> {
  for (let at = 0; at < into.length;) {
    const count = await reader.read(into.subarray(at));
    if (count === null) throw changed(object, `it ended before the ${body.length} bytes that were announced`);
    at += count;
  }
}

/**
 * Puts a whole small request into a buffer.
 *
 * @returns its bytes, or null where it does not fit; a promise only for a body that has to be read
 * @throws CopilotError `changed` for a body that is not as long as it said
 */
export function packSmall(upload: Upload, buffer: Uint8Array): Uint8Array | Promise<Uint8Array> | null {
  const { head, body } = upload;
  // A character takes up to three bytes, and counting them would cost as much as encoding.
  if (head.length * 3 + body.length > buffer.length) return null;
  const start = encoder.encodeInto(head, buffer).written;
  if (!(body instanceof Uint8Array)) return packStream(upload, buffer, start);
  buffer.set(body, start);
  return buffer.subarray(0, start + body.length);
}

async function packStream(upload: Upload, buffer: Uint8Array, start: number): Promise<Uint8Array> {
  const end = start + upload.body.length;
  const reader = openBody(upload.body);
  try {
    await readFull(reader, buffer.subarray(start, end), upload);
    await expectEnd(reader, upload);
  } finally {
    reader.close();
  }
  return buffer.subarray(0, end);
}

/** How far an upload is. */
interface Progress {
  /** The reply is there, or will never be. */
  replied: boolean;
  /** All bytes were taken by the system. */
  sent: boolean;
}

/**
 * Sends a request with a body and reads the head of its reply, both at once: a server that refuses answers before it has read
 * everything and may then close.
 *
 * @throws CopilotError `changed` for a body that is not as long as it said, what the body's reader throws, or what the channel
 * throws
 */
export async function sendLarge(channel: Channel, upload: Upload): Promise<Head> {
  const progress: Progress = { replied: false, sent: false };
  const reply = channel.readHead();
  const replied = reply.then(() => {}, () => {}).then(() => void (progress.replied = true));
  const sending = sendAll(channel, upload, progress);
  try {
    await Promise.race([sending, replied]);
  } catch (thrown) {
    channel.fail(
      cannot("send", upload.object, { aborted: "its source failed" }),
    );
    throw thrown;
  }
  // Where the reply came first, the rest of the body can be ignored.
  sending.catch(() => {});
  channel.expectReply();
  const head = await reply;
  if (!progress.sent) {
    channel.reusable = false;
    if (head.status < 300) throw channel.broken(`status ${head.status} came before the body was sent`);
  }
  return head;
}

/** Writes head and body; returns early once the reply is there or the server has stopped reading. Rejects for the source only. */
async function sendAll(
  channel: Channel,
  upload: Upload,
  progress: Progress,
): Promise<void> {
  const buffer = BUFFERS.take();
  const reader = openBody(upload.body);
  try {
    let filled = encoder.encodeInto(upload.head, buffer).written;
    for (let left = upload.body.length; left > 0 || filled > 0; filled = 0) {
      const end = Math.min(buffer.length, filled + left);
      await readFull(reader, buffer.subarray(filled, end), upload);
      left -= end - filled;
      if (left === 0) await expectEnd(reader, upload);
      if (progress.replied) return;
      try {
        await channel.send(buffer.subarray(0, end));
      } catch {
        return;
      }
    }
    progress.sent = true;
  } finally {
    reader.close();
    // A failed channel may still have a write of these bytes under way.
    if (channel.failure === null) BUFFERS.give(buffer);
  }
}
