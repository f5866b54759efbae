import assert from "assert";
import { CopilotError, type ErrorCode } from "../../../../src/errors.ts";
import { codeIs } from "../../../support/errors.ts";
import { Buffer } from "node:buffer";
import { GcsRequests } from "../../../../src/storage/backends/gcs/transport.ts";
import { CHUNK_BYTES, ResumableUpload } from "../../../../src/storage/backends/gcs/resumable.ts";
import { createHasher, hexToBase64 } from "../../../../src/storage/checksum.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../../../../src/http/client.ts";
import { HttpHeaders } from "../../../../src/http/head.ts";
import { makeOrigin } from "../../../../src/http/origin.ts";
import { withRetry } from "../../../../src/storage/retry.ts";
import { type ByteSource, bytesSource, type ObjectStore } from "../../../../src/storage/store.ts";
import { sys } from "../../../../src/system/deno.ts";
import { LIVE } from "../../../support/http.ts";
import { pattern } from "../../contract/harness.ts";

const CALL = { signal: LIVE };
const SESSION = "/upload/storage/v1/b/b/o?upload_id=a-secret-session";
const OBJECT = "gs://b/k";

/** What goes wrong with one request. */
type Fault =
  /** The connection breaks after so many bytes of the body; whole chunks of them are kept. */
  | { kind: "cut"; afterBytes: number }
  /** Everything is carried out, and the reply is lost. */
  | { kind: "lost" }
  /** Only so many chunks are kept, and the reply says so. */
  | { kind: "short"; chunks: number }
  | { kind: "status"; status: number };

/** A session as Google documents it, in the place of a client. */
class FakeSession {
  /** `Content-Range` of each PUT. */
  readonly ranges: string[] = [];
  readonly requests: HttpRequest[] = [];
  persisted = new Uint8Array(0);
  object: Uint8Array | null = null;
  isCancelled = false;
  /** Asked for each request. */
  fault: (request: HttpRequest, number: number) => Fault | null = () => null;

  async request(request: HttpRequest): Promise<HttpResponse> {
    this.requests.push(request);
    assert.equal(request.path, SESSION);
    const fault = this.fault(request, this.requests.length);
    if (fault?.kind === "status") return answer(fault.status);
    if (request.method === "DELETE") return this.#cancel();
    const range = new Map(request.headers).get("Content-Range")!;
    this.ranges.push(range);
    const bytes = await bodyOf(request, fault?.kind === "cut" ? fault.afterBytes : Infinity);
    const reply = await this.#take(request, range, bytes, fault);
    if (fault?.kind === "cut" || fault?.kind === "lost") {
      throw new CopilotError("network", "Connection reset");
    }
    return reply;
  }

  #cancel(): HttpResponse {
    if (this.isCancelled) return answer(404);
    this.isCancelled = true;
    return answer(499);
  }

  async #take(
    request: HttpRequest,
    range: string,
    bytes: Uint8Array,
    fault: Fault | null,
  ): Promise<HttpResponse> {
    if (this.isCancelled) return answer(499);
    if (this.object !== null) return answer(200, {}, resource(this.object.length, await crcOf(this.object)));
    const [, first, last, total] = /^bytes (?:([0-9]+)-([0-9]+)|\*)\/([0-9]+|\*)$/.exec(range)!;
    const isLast = total !== "*" && fault?.kind !== "cut";
    if (first !== undefined) {
      assert(Number(first) <= this.persisted.length, `a gap: ${range} after ${this.persisted.length} bytes`);
      if (fault?.kind !== "cut") {
        assert.equal(bytes.length, Number(last) - Number(first) + 1, "bytes of the range");
      }
      if (total === "*") assert.equal((Number(last) + 1) % CHUNK_BYTES, 0, `whole chunks: ${range}`);
      // Bytes that are there already are passed over.
      const fresh = bytes.subarray(this.persisted.length - Number(first));
      const keep = fault?.kind === "short"
        ? Math.min(fresh.length, fault.chunks * CHUNK_BYTES)
        : fresh.length;
      const whole = isLast && keep === fresh.length
        ? keep
        : keep - (this.persisted.length + keep) % CHUNK_BYTES;
      this.persisted = joined(this.persisted, fresh.subarray(0, Math.max(0, whole)));
    }
    if (isLast && this.persisted.length === Number(total)) return await this.#finish(request);
    const end = this.persisted.length - 1;
    return answer(308, end < 0 ? {} : { range: `bytes=0-${end}` });
  }

  async #finish(request: HttpRequest): Promise<HttpResponse> {
    const crc32c = await crcOf(this.persisted);
    const declared = new Map(request.headers).get("x-goog-hash");
    if (declared !== undefined && declared !== `crc32c=${crc32c}`) {
      const message = `Provided CRC32C "${declared}" doesn't match calculated CRC32C "${crc32c}".`;
      return answer(400, {}, { error: { code: 400, message } });
    }
    this.object = this.persisted;
    return answer(200, {}, resource(this.object.length, crc32c));
  }
}

function resource(size: number, crc32c: string) {
  return { name: "k", size: String(size), generation: "1", crc32c };
}

function answer(status: number, headers: Record<string, string> = {}, body: unknown = {}): HttpResponse {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const fields = new HttpHeaders(new Map(Object.entries(headers)));
  return { status, headers: fields, length: bytes.length, body: bytesSource(bytes).open() };
}

async function bodyOf({ body }: HttpRequest, maxBytes: number): Promise<Uint8Array> {
  assert(body !== undefined);
  const reader = (body instanceof Uint8Array ? bytesSource(body) : { open: () => body.open() }).open();
  const buffer = new Uint8Array(200_003);
  let all = new Uint8Array(0);
  try {
    while (all.length < maxBytes) {
      const count = await reader.read(buffer.subarray(0, Math.min(buffer.length, maxBytes - all.length)));
      if (count === null) break;
      all = joined(all, buffer.subarray(0, count));
    }
  } finally {
    reader.close();
  }
  return all;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

async function crcOf(bytes: Uint8Array): Promise<string> {
  const hasher = await createHasher("crc32c");
  hasher.update(bytes);
  return hexToBase64(hasher.hex());
}

function begin(session: FakeSession): ResumableUpload {
  const client = session as unknown as HttpClient;
  const requests = new GcsRequests({
    client,
    origin: makeOrigin(true, "host", 443),
    tokens: null,
    clock: sys.clock,
  });
  return new ResumableUpload({ requests, path: SESSION, object: OBJECT });
}

async function fails(code: ErrorCode, call: Promise<unknown>, pattern = /gs:\/\/b\/k/): Promise<void> {
  const thrown = await call.then(() => assert.fail(`expected ${code}, but it succeeded`), (error) => error);
  codeIs(code, pattern)(thrown);
  assert(!Deno.inspect(thrown).includes("a-secret-session"), "the session's address in an error");
}

Deno.test("gcs upload: parts of whole chunks go as they are, the last with the end and the hash", async () => {
  const session = new FakeSession();
  const upload = begin(session);
  const bytes = pattern(3 * CHUNK_BYTES + 77);
  await upload.part(1, bytesSource(bytes.subarray(0, 2 * CHUNK_BYTES)), CALL);
  await upload.part(2, bytesSource(bytes.subarray(2 * CHUNK_BYTES)), CALL);
  assert.equal(session.object, null, "nothing is visible before the end");
  const info = await upload.complete(CALL);
  assert.deepEqual(session.ranges, [
    `bytes 0-${2 * CHUNK_BYTES - 1}/*`,
    `bytes ${2 * CHUNK_BYTES}-${3 * CHUNK_BYTES - 1}/*`,
    `bytes ${3 * CHUNK_BYTES}-${bytes.length - 1}/${bytes.length}`,
  ]);
  assert.deepEqual(session.object, bytes);
  assert.deepEqual([info.key, info.size, info.etag], ["k", bytes.length, "1"]);
  assert.deepEqual(await upload.complete(CALL), info, "again");
  assert.equal(session.requests.length, 3);
});

Deno.test("gcs upload: parts of any size, also of none", async () => {
  for (
    const sizes of [[], [0], [5], [CHUNK_BYTES], [10, 20, 300_000, 0, 7], [
      CHUNK_BYTES - 1,
      1,
      CHUNK_BYTES + 1,
    ]]
  ) {
    const session = new FakeSession();
    const upload = begin(session);
    const bytes = pattern(sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const [i, size] of sizes.entries()) {
      await upload.part(i + 1, bytesSource(bytes.subarray(at, at += size)), CALL);
    }
    assert.equal((await upload.complete(CALL)).size, bytes.length);
    assert.deepEqual(session.object, bytes, `${sizes}`);
  }
});

Deno.test("gcs upload: after a broken part the session is asked, and only the rest is sent", async () => {
  const session = new FakeSession();
  const upload = begin(session);
  const bytes = pattern(4 * CHUNK_BYTES);
  session.fault = (_, number) => number === 1 ? { kind: "cut", afterBytes: 2 * CHUNK_BYTES + 5 } : null;
  await fails("network", upload.part(1, bytesSource(bytes), CALL), /Connection reset/);
  await upload.part(1, bytesSource(bytes), CALL);
  await upload.complete(CALL);
  const end = 4 * CHUNK_BYTES;
  assert.deepEqual(session.ranges, [
    `bytes 0-${end - 1}/*`,
    "bytes */*",
    `bytes ${2 * CHUNK_BYTES}-${end - 1}/*`,
    `bytes */${end}`,
  ]);
  assert.deepEqual(session.object, bytes);
});

Deno.test("gcs upload: a session that keeps less than it was given gets the rest", async () => {
  const session = new FakeSession();
  const upload = begin(session);
  const bytes = pattern(3 * CHUNK_BYTES + 1);
  session.fault = (_, number) => number < 3 ? { kind: "short", chunks: 1 } : null;
  await upload.part(1, bytesSource(bytes), CALL);
  await upload.complete(CALL);
  assert.deepEqual(session.object, bytes);
});

Deno.test("gcs upload: the end whose reply was lost is found by asking", async () => {
  const session = new FakeSession();
  const upload = begin(session);
  const bytes = pattern(CHUNK_BYTES + 9);
  await upload.part(1, bytesSource(bytes), CALL);
  session.fault = (_, number) => number === 2 ? { kind: "lost" } : null;
  await fails("network", upload.complete(CALL), /Connection reset/);
  assert.equal((await upload.complete(CALL)).size, bytes.length);
  assert.equal(session.ranges.at(-1), "bytes */*");
});

Deno.test("gcs upload: a source that changed between two tries is refused at the end", async () => {
  const session = new FakeSession();
  const upload = begin(session);
  session.fault = (_, number) => number === 1 ? { kind: "cut", afterBytes: CHUNK_BYTES } : null;
  await fails("network", upload.part(1, bytesSource(pattern(2 * CHUNK_BYTES, 1)), CALL), /Connection reset/);
  await upload.part(1, bytesSource(pattern(2 * CHUNK_BYTES, 2)), CALL);
  await fails("integrity", upload.complete(CALL), /Provided CRC32C/);
  assert.equal(session.object, null);
});

for (
  const [what, promised, given] of [
    ["fewer bytes, in a chunk", CHUNK_BYTES, 10],
    ["fewer bytes, behind the last chunk", CHUNK_BYTES + 10, CHUNK_BYTES + 5],
    ["more bytes", CHUNK_BYTES, CHUNK_BYTES + 1],
    ["more bytes, behind the last chunk", CHUNK_BYTES + 10, CHUNK_BYTES + 11],
    ["more bytes than none", 0, 1],
  ] as const
) {
  Deno.test(`gcs upload: a part with ${what} is changed, and can be sent again`, async () => {
    const session = new FakeSession();
    const upload = begin(session);
    const source: ByteSource = { size: promised, open: () => bytesSource(pattern(given)).open() };
    await fails("changed", upload.part(1, source, CALL));
    await upload.part(1, bytesSource(pattern(promised)), CALL);
    await upload.complete(CALL);
    assert.deepEqual(session.object, pattern(promised));
  });
}

Deno.test("gcs upload: parts come in order", async () => {
  const upload = begin(new FakeSession());
  await fails("unsupported", upload.part(2, bytesSource(pattern(5)), CALL), /expected part 1$/);
});

Deno.test("gcs upload: an aborted session is removed once, and its parts and end are refused", async () => {
  const session = new FakeSession();
  const upload = begin(session);
  await upload.part(1, bytesSource(pattern(CHUNK_BYTES)), CALL);
  session.fault = (_, number) => number === 2 ? { kind: "status", status: 503 } : null;
  await fails("throttled", upload.abort(CALL));
  await upload.abort(CALL);
  await upload.abort(CALL);
  assert.equal(session.isCancelled, true);
  assert.equal(session.requests.length, 3);
  await fails("not-found", upload.complete(CALL));
  await fails("not-found", upload.part(2, bytesSource(pattern(5)), CALL));
});

Deno.test("gcs upload: a session that has gone is not found", async () => {
  const session = new FakeSession();
  session.fault = () => ({ kind: "status", status: 410 });
  await fails("not-found", begin(session).part(1, bytesSource(pattern(CHUNK_BYTES)), CALL));
  await fails("not-found", begin(session).complete(CALL));
  await begin(session).abort(CALL);
});

for (
  const [what, headers] of [
    ["takes nothing", {}],
    ["has more than it was sent", { range: `bytes=0-${2 * CHUNK_BYTES - 1}` }],
    ["counts wrongly", { range: "bytes=5-10" }],
  ] as const
) {
  Deno.test(`gcs upload: a session that ${what} is an error that may pass`, async () => {
    const session = new FakeSession();
    session.request = () => Promise.resolve(answer(308, headers));
    await fails(
      "unavailable",
      begin(session).part(1, bytesSource(pattern(CHUNK_BYTES)), CALL),
      /does not follow/,
    );
  });
}

/** Numbers that a seed decides. */
function generator(seed: number): (below: number) => number {
  let state = seed * 2654435761 >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

function randomFault(random: (below: number) => number): Fault | null {
  if (random(10) >= 4) return null;
  const faults: Fault[] = [
    { kind: "cut", afterBytes: random(3 * CHUNK_BYTES) },
    { kind: "lost" },
    { kind: "short", chunks: random(3) },
    { kind: "status", status: [429, 500, 503][random(3)]! },
  ];
  return faults[random(faults.length)]!;
}

Deno.test("gcs upload: 300 uploads with 40 % failing requests are right to the byte", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = generator(seed);
    const session = new FakeSession();
    session.fault = () => randomFault(random);
    const upload = begin(session);
    const store = withRetry(
      { root: "gs://b", beginUpload: () => Promise.resolve(upload) } as unknown as ObjectStore,
      {
        clock: { monotonicMs: () => 0, sleep: () => Promise.resolve() },
        random: () => 0,
        deadlineMs: Infinity,
        attempts: 60,
      },
    );
    const retried = await store.beginUpload("k", CALL);
    const bytes = pattern(random(5 * CHUNK_BYTES), seed);
    let at = 0;
    for (let number = 1; at < bytes.length; number++) {
      const size = random(2) === 0 ? random(700_000) : CHUNK_BYTES * (1 + random(2));
      await retried.part(number, bytesSource(bytes.subarray(at, at += size)), CALL);
    }
    assert.equal((await retried.complete(CALL)).size, bytes.length, `seed ${seed}`);
    assert(session.object !== null && Buffer.compare(session.object, bytes) === 0, `seed ${seed}`);
  }
});
