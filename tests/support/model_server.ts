/**
 * A web server whose one object is replaced while it is read. Each reply is of one version, and what it says of it is true; apart
 * from that the server may ignore, refuse or misread every condition and range, leave validators out, and break off.
 * @module
 */
import type { Random } from "../faults/random.ts";

/** What the server says of a version. */
const VALIDATORS = ["strong", "of a node", "weak", "settled date", "fresh date", "none"] as const;
const CONDITIONS = ["kept", "ignored", "refused"] as const;
const RANGES = ["kept", "ignored", "star", "short", "elsewhere", "refused", "past the end"] as const;
const FRAMES = ["length", "chunked", "gzip"] as const;
/** The largest object; more than two ranges. */
const LARGE_BYTES = 17 * 1024 * 1024;

/** A way to behave. */
export interface Model {
  validator: typeof VALIDATORS[number];
  conditions: typeof CONDITIONS[number];
  ranges: typeof RANGES[number];
  frame: typeof FRAMES[number];
  /** A reply of 206 says nothing of its version. */
  isSilentOnRanges: boolean;
  /** Bytes of each version; the last one stays. */
  sizes: number[];
  /** Chance that the object is replaced between two requests, and that a reply breaks off. */
  replaced: number;
  broken: number;
}

/** A model that chance chooses. */
export function randomModel(random: Random): Model {
  const size = random.chance(0.97) ? random.below(50_000) : LARGE_BYTES - random.below(20_000);
  return {
    validator: random.pick(VALIDATORS),
    conditions: random.pick(CONDITIONS),
    ranges: random.chance(0.4) ? "kept" : random.pick(RANGES),
    frame: random.chance(0.7) ? "length" : random.pick(FRAMES),
    isSilentOnRanges: random.chance(0.2),
    sizes: Array.from({ length: 4 }, () => random.chance(0.9) ? size : size + 1),
    replaced: random.pick([0, 0.3, 0.3, 0.6]),
    broken: random.pick([0, 0.5, 0.8]),
  };
}

const PATTERN = new Uint8Array(LARGE_BYTES + 1).map((_, at) => (at * 31 + (at >> 8) * 7 + (at >> 16)) & 255);

/** The bytes of a version, which differ in every place from those of another version, and from their own neighbours. */
export function bytesOf(version: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = PATTERN.slice(0, size);
  if (version > 0) { for (let at = 0; at < size; at++) bytes[at]! ^= 37 * version; }
  return bytes;
}

interface Asked {
  range: { start: number; end: number } | null;
  ifMatch: string | undefined;
  unmodifiedSince: string | undefined;
}

const encoder = new TextEncoder();
const DATE_MS = Date.UTC(2026, 0, 1);

/** The server. */
export class ModelServer {
  readonly model: Model;
  readonly random: Random;
  /** The version that the next request sees. */
  version = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #tasks = new Set<Promise<void>>();

  constructor(random: Random) {
    this.random = random;
    this.model = randomModel(random);
    this.#track(this.#accept());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async close(): Promise<void> {
    this.#listener.close();
    await Promise.all(this.#tasks);
  }

  #track(task: Promise<void>): void {
    const tracked: Promise<void> = task.catch(() => {}).finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) this.#track(this.#serve(conn));
  }

  /** One request on each connection. */
  async #serve(conn: Deno.TcpConn): Promise<void> {
    try {
      let text = "";
      for (const buffer = new Uint8Array(16_384); !text.endsWith("\r\n\r\n");) {
        const count = await conn.read(buffer);
        if (count === null) return;
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
      for (const piece of await this.#reply(text)) {
        for (let at = 0; at < piece.length;) at += await conn.write(piece.subarray(at));
      }
      await conn.closeWrite();
      while (await conn.read(new Uint8Array(1024)) !== null);
    } finally {
      conn.close();
    }
  }

  async #reply(text: string): Promise<Uint8Array[]> {
    const { model, random } = this;
    if (this.version < model.sizes.length - 1 && random.chance(model.replaced)) this.version++;
    const asked = parse(text);
    const validators = this.#validators();
    if (this.#refuses(asked, validators)) return [head(412, [], 0)];
    const size = model.sizes[this.version]!;
    if (asked.range === null || model.ranges === "ignored") return await this.#whole(text, validators);
    if (model.ranges === "refused") return [head(random.pick([400, 403]), [], 0)];
    if (model.ranges === "past the end" || asked.range.start >= size) return [head(416, [], 0)];
    return this.#range(asked.range, model.isSilentOnRanges ? [] : validators);
  }

  async #whole(text: string, validators: [string, string][]): Promise<Uint8Array[]> {
    const { model: { frame, sizes } } = this;
    const bytes = bytesOf(this.version, sizes[this.version]!);
    if (text.startsWith("HEAD")) return [head(200, validators, bytes.length)];
    if (frame === "chunked") {
      const chunk = encoder.encode(`${bytes.length.toString(16)}\r\n`);
      const rest = encoder.encode(bytes.length === 0 ? "\r\n" : "\r\n0\r\n\r\n");
      return [
        head(200, [...validators, ["Transfer-Encoding", "chunked"]]),
        ...this.#broken([chunk, bytes, rest]),
      ];
    }
    if (frame === "length") return [head(200, validators, bytes.length), ...this.#broken([bytes])];
    const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
    const packed = new Uint8Array(await new Response(stream).arrayBuffer());
    return [
      head(200, [...validators, ["Content-Encoding", "gzip"]], packed.length),
      ...this.#broken([packed]),
    ];
  }

  #range(asked: { start: number; end: number }, validators: [string, string][]): Uint8Array[] {
    const { model, random } = this;
    const size = model.sizes[this.version]!;
    let { start } = asked;
    let end = Math.min(asked.end, size);
    if (model.ranges === "short") end -= random.below(end - start);
    if (model.ranges === "elsewhere") start = random.below(end);
    const total = model.ranges === "star" ? "*" : String(size);
    const headers: [string, string][] = [...validators, [
      "Content-Range",
      `bytes ${start}-${end - 1}/${total}`,
    ]];
    return [
      head(206, headers, end - start),
      ...this.#broken([bytesOf(this.version, size).subarray(start, end)]),
    ];
  }

  /** What comes of a body before its connection breaks, if it does. */
  #broken(pieces: Uint8Array[]): Uint8Array[] {
    if (!this.random.chance(this.model.broken)) return pieces;
    const last = pieces.at(-1)!;
    return [...pieces.slice(0, -1), last.subarray(0, this.random.below(last.length))];
  }

  #validators(): [string, string][] {
    const { model, random, version } = this;
    // Two versions a second apart.
    const modified = new Date(DATE_MS + 1000 * version).toUTCString();
    switch (model.validator) {
      case "strong":
        return [["ETag", `"${version}"`]];
      case "of a node":
        return [["ETag", `"${version}-${random.below(2)}"`]];
      case "weak":
        // Of every version the same, as its meaning is.
        return [["ETag", 'W/"same"']];
      case "settled date":
        return [["Last-Modified", modified], ["Date", new Date(DATE_MS + 90_000).toUTCString()]];
      case "fresh date":
        return [["Last-Modified", new Date(DATE_MS).toUTCString()], [
          "Date",
          new Date(DATE_MS + 500).toUTCString(),
        ]];
      case "none":
        return [];
    }
  }

  #refuses({ ifMatch, unmodifiedSince }: Asked, validators: [string, string][]): boolean {
    const { conditions } = this.model;
    if (conditions === "ignored") return false;
    if (conditions === "refused") return ifMatch !== undefined || unmodifiedSince !== undefined;
    const have = new Map(validators);
    return (ifMatch ?? have.get("ETag")) !== have.get("ETag") ||
      (unmodifiedSince ?? have.get("Last-Modified")) !== have.get("Last-Modified");
  }
}

function parse(text: string): Asked {
  const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, "im").exec(text)?.[1];
  const range = /^bytes=([0-9]+)-([0-9]*)$/.exec(header("range") ?? "");
  return {
    range: range === null
      ? null
      : { start: Number(range[1]), end: range[2] === "" ? Infinity : Number(range[2]) + 1 },
    ifMatch: header("if-match"),
    unmodifiedSince: header("if-unmodified-since"),
  };
}

function head(status: number, headers: [string, string][], length?: number): Uint8Array {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const framed = length === undefined ? "" : `Content-Length: ${length}\r\n`;
  return encoder.encode(`HTTP/1.1 ${status} Model\r\nConnection: close\r\n${lines}${framed}\r\n`);
}
