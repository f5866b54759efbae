/**
 * An HTTP server on the loopback interface that gives the objects of a store, with ranges, versions and statuses as RFC 9110
 * has them. What the store refuses, it refuses with 403.
 * @module
 */
import { CopilotError, type ErrorCode } from "../../src/errors.ts";
import type { ByteReader, ObjectStore } from "../../src/storage/store.ts";

/** The server; {@linkcode close} ends it. */
export class ObjectServer {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(store: ObjectStore) {
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(options, (request) => serve(store, request).catch(refusal));
  }

  /** `http://127.0.0.1:PORT`. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async close(): Promise<void> {
    await this.#server.shutdown();
  }
}

const STATUSES: Partial<Record<ErrorCode, number>> = { "not-found": 404, "changed": 412, "denied": 403 };

function refusal(error: unknown): Response {
  const status = (error instanceof CopilotError ? STATUSES[error.code] : undefined) ?? 500;
  return new Response(`<html>${status}</html>`, { status });
}

async function serve(store: ObjectStore, request: Request): Promise<Response> {
  const key = decodeURIComponent(new URL(request.url).pathname.slice(1));
  const { signal } = request;
  const info = await store.head(key, { signal });
  const ifMatch = request.headers.get("if-match");
  if (ifMatch !== null && ifMatch !== info.etag) return new Response(null, { status: 412 });
  const headers: Record<string, string> = { "accept-ranges": "bytes", ...(info.etag && { etag: info.etag }) };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
  const start = range === null ? 0 : Number(range[1]);
  const end = range === null || range[2] === "" ? info.size : Math.min(info.size, Number(range[2]) + 1);
  if (range !== null && start >= info.size) {
    headers["content-range"] = `bytes */${info.size}`;
    return new Response(null, { status: 416, headers });
  }
  if (range !== null) headers["content-range"] = `bytes ${start}-${end - 1}/${info.size}`;
  headers["content-length"] = String(end - start);
  const status = range === null ? 200 : 206;
  if (request.method === "HEAD") return new Response(null, { status, headers });
  const { body } = await store.get(key, { signal, start, end });
  return new Response(streamOf(body), { status, headers });
}

function streamOf(body: ByteReader): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(64 * 1024);
      const count = await body.read(buffer);
      if (count === null) controller.close();
      else controller.enqueue(buffer.subarray(0, count));
    },
    cancel: () => body.close(),
  });
}
