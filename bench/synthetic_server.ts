// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * An S3 server that costs as little as one can: it makes the bytes that it sends, counts and checks those that it gets, and keeps
 * none. So 20 GiB need no disk but the client's, and the client and not the server's disk is what a case measures.
 *
 * `synthetic_server.ts [--cert FILE --key FILE] --scale F SET...` prints its port and serves until it is killed. It holds the data
 * sets below `in/`, as uploads of them would have left them. Signatures are not verified, only present.
 * @module
 */
import { parseArgs } from "node:util";
import { DATA_SETS, scaled } from "./cases.ts";
import { BUCKET, KEYS } from "./contestants.ts";
import { Bucket, type Entry, etagOf, type Page } from "./synthetic_bucket.ts";
import { crcHeader, Fault, receive, type Received } from "./upload_body.ts";

/** Up to this many bytes are sent as one. */
const WHOLE_BYTES = 256 * 1024;
/** Keys of the harness and of the data sets need no escapes, neither in XML nor in a URL. */
const PLAIN_KEY = /^[A-Za-z0-9/._-]*$/;
/** Any instant that does not change. */
const MODIFIED = "2024-01-01T00:00:00.000Z";

const bucket = new Bucket();

function xml(root: string, content: string, headers: Record<string, string> = {}): Response {
  const text =
    `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`;
  return new Response(`${text}${content}</${root}>`, {
    headers: { "content-type": "application/xml", ...headers },
  });
}

function stored(received: Received): Record<string, string> {
  return {
    "etag": etagOf(received),
    "x-amz-checksum-crc32": crcHeader(received.crc),
    "x-amz-checksum-type": "FULL_OBJECT",
  };
}

function xmlEtag(received: Received): string {
  return etagOf(received).replaceAll('"', "&quot;");
}

function listing(query: URLSearchParams): Response {
  const isSecond = query.get("list-type") === "2";
  const prefix = query.get("prefix") ?? "";
  const after = query.get(isSecond ? "continuation-token" : "marker") ?? query.get("start-after") ?? "";
  const max = Math.min(1000, Number(query.get("max-keys") ?? 1000));
  const page: Page = bucket.list({ prefix, delimiter: query.get("delimiter") ?? "", after, max });
  const next = page.next === null
    ? ""
    : isSecond
    ? `<NextContinuationToken>${page.next}</NextContinuationToken>`
    : `<NextMarker>${page.next}</NextMarker>`;
  const objects = page.objects.map(({ key, size }) =>
    `<Contents><Key>${key}</Key><LastModified>${MODIFIED}</LastModified><ETag>${
      xmlEtag(bucket.entry(key))
    }</ETag>` +
    `<Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  );
  const prefixes = page.prefixes.map((text) => `<CommonPrefixes><Prefix>${text}</Prefix></CommonPrefixes>`);
  return xml(
    "ListBucketResult",
    `<Name>${BUCKET}</Name><Prefix>${prefix}</Prefix><MaxKeys>${max}</MaxKeys>` +
      `<KeyCount>${objects.length + prefixes.length}</KeyCount><IsTruncated>${
        page.next !== null
      }</IsTruncated>` +
      `${next}${objects.join("")}${prefixes.join("")}`,
  );
}

/** Sends pieces as the client takes them. */
function streamed(parts: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = parts[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { value, done } = iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
}

function joined(parts: Iterable<Uint8Array>, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** First and last-but-one offset of a Range header; null for none. */
function rangeOf(text: string | null, size: number): { start: number; end: number } | null {
  const match = /^bytes=(\d+)-(\d*)$/.exec(text ?? "");
  if (match === null) return null;
  const start = Number(match[1]);
  if (start >= size) throw new Fault(416, "InvalidRange", `The object has ${size} bytes`);
  return { start, end: match[2] === "" ? size : Math.min(size, Number(match[2]) + 1) };
}

function read(request: Request, entry: Entry): Response {
  const { size } = entry;
  const etag = etagOf(entry);
  const expected = request.headers.get("if-match");
  if (expected !== null && expected !== etag) {
    throw new Fault(412, "PreconditionFailed", `The ETag is ${etag}`);
  }
  const range = rangeOf(request.headers.get("range"), size);
  const { start, end } = range ?? { start: 0, end: size };
  const headers: Record<string, string> = {
    // With a range, S3 gives no checksum of the whole.
    ...(range === null ? stored(entry) : { etag }),
    "accept-ranges": "bytes",
    "content-length": String(end - start),
    "content-type": "application/octet-stream",
    "last-modified": new Date(MODIFIED).toUTCString(),
    ...(range !== null && { "content-range": `bytes ${start}-${end - 1}/${size}` }),
  };
  const status = range === null ? 200 : 206;
  if (request.method === "HEAD") return new Response(null, { status, headers });
  if (entry.read === undefined) throw new Fault(501, "NotImplemented", "Bytes of uploads are not kept");
  const parts = entry.read(start, end);
  const body = end - start <= WHOLE_BYTES ? joined(parts, end - start) : streamed(parts);
  return new Response(body, { status, headers });
}

async function put(request: Request, key: string, query: URLSearchParams): Promise<Response> {
  const received = await receive(request);
  const id = query.get("uploadId");
  if (id === null) bucket.store(key, received);
  else bucket.storePart(id, Number(query.get("partNumber")), received);
  return new Response(null, { headers: stored(received) });
}

async function complete(request: Request, key: string, id: string): Promise<Response> {
  const parts = [...(await request.text()).matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part]) => ({
    number: Number(/<PartNumber>(\d+)</.exec(part!)?.[1]),
    etag: /<ETag>(.*?)</.exec(part!)?.[1]?.replace(/&quot;|&#34;/g, '"') ?? "",
  }));
  const whole = bucket.complete(id, parts);
  const said = request.headers.get("x-amz-checksum-crc32");
  if (said !== null && said !== crcHeader(whole.crc)) {
    throw new Fault(
      400,
      "BadDigest",
      `The CRC32 of all parts is ${crcHeader(whole.crc)}, announced was ${said}`,
    );
  }
  const etag = etagOf(whole).replaceAll('"', "&quot;");
  return xml(
    "CompleteMultipartUploadResult",
    `<Bucket>${BUCKET}</Bucket><Key>${key}</Key><ETag>${etag}</ETag>`,
  );
}

function begin(request: Request, key: string): Response {
  const headers = ["x-amz-checksum-algorithm", "x-amz-checksum-type"].flatMap((name) => {
    const value = request.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  const content = `<Bucket>${BUCKET}</Bucket><Key>${key}</Key><UploadId>${bucket.begin(key)}</UploadId>`;
  return xml("InitiateMultipartUploadResult", content, Object.fromEntries(headers));
}

function aboutBucket(method: string, query: URLSearchParams): Response {
  if (method !== "GET") return new Response(null);
  if (query.has("location")) return xml("LocationConstraint", "us-east-1");
  if (query.has("uploads")) return xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>");
  return listing(query);
}

async function aboutObject(request: Request, key: string, query: URLSearchParams): Promise<Response> {
  const id = query.get("uploadId");
  switch (request.method) {
    case "GET":
    case "HEAD":
      return read(request, bucket.entry(key));
    case "PUT":
      return await put(request, key, query);
    case "POST":
      return id === null ? begin(request, key) : await complete(request, key, id);
    case "DELETE":
      if (id === null) bucket.delete(key);
      else bucket.abort(id);
      return new Response(null, { status: 204 });
    default:
      throw new Fault(501, "NotImplemented", request.method);
  }
}

/** `/bench/...` is the bucket; `/checksums?prefix=P` is the harness's question for what came below a prefix. */
async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams: query } = new URL(request.url);
  if (pathname === "/checksums") return Response.json(checksums(query.get("prefix") ?? ""));
  if (!request.headers.get("authorization")?.includes(KEYS.id)) {
    throw new Fault(403, "AccessDenied", "No signature");
  }
  const [, name, ...rest] = pathname.split("/");
  const key = decodeURIComponent(rest.join("/"));
  if (name !== BUCKET) throw new Fault(404, "NoSuchBucket", `There is no ${name}`);
  if (!PLAIN_KEY.test(key)) throw new Fault(400, "InvalidArgument", "Such keys are not served");
  return key === "" ? aboutBucket(request.method, query) : await aboutObject(request, key, query);
}

function checksums(prefix: string): { name: string; size: number; crc: number }[] {
  const { objects } = bucket.list({ prefix, delimiter: "", after: "", max: Infinity });
  return objects.map(({ key, size }) => ({
    name: key.slice(prefix.length),
    size,
    crc: bucket.entry(key).crc,
  }));
}

async function handle(request: Request): Promise<Response> {
  try {
    return await answer(request);
  } catch (error) {
    const fault = error instanceof Fault ? error : new Fault(500, "InternalError", String(error));
    if (fault.status !== 404) {
      console.error(`${request.method} ${request.url}: ${fault.code} ${fault.message}`);
    }
    const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${fault.code}</Code>` +
      `<Message>${fault.message.replace(/[<&]/g, " ")}</Message></Error>`;
    const body = request.method === "HEAD" ? null : text;
    return new Response(body, { status: fault.status, headers: { "content-type": "application/xml" } });
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: {
      cert: { type: "string" },
      key: { type: "string" },
      scale: { type: "string", default: "1" },
    },
    allowPositionals: true,
  });
  for (const set of DATA_SETS) {
    if (positionals.includes(set.name)) bucket.add(scaled(set, Number(values.scale)), `s3://${BUCKET}`);
  }
  const secure = values.cert === undefined || values.key === undefined ? {} : {
    cert: Deno.readTextFileSync(values.cert),
    key: Deno.readTextFileSync(values.key),
  };
  Deno.serve(
    { hostname: "127.0.0.1", port: 0, ...secure, onListen: ({ port }) => console.log(port) },
    handle,
  );
}
