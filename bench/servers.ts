/**
 * The stores that the contestants talk to: real servers out of scripts/servers.sh, or the synthetic one.
 * @module
 */
import { openStore } from "../src/storage/backends/mod.ts";
import { EMPTY_PAYLOAD, Signer } from "../src/storage/backends/s3/sigv4.ts";
import { Secret } from "../src/config/mod.ts";
import { parseUri } from "../src/storage/uri.ts";
import { sys } from "../src/system/deno.ts";
import type { Arrived } from "./cases.ts";
import { BUCKET, KEYS, type Work } from "./contestants.ts";

const HERE = new URL(".", import.meta.url).pathname;
const SCRIPT = new URL("../scripts/servers.sh", import.meta.url).pathname;

/** Names of `--server`, and what each is. */
export const SERVERS = { s3: "versitygw", minio: "MinIO", synthetic: "synthetic" } as const;

/** A name of `--server`. */
export type ServerName = keyof typeof SERVERS;

/** Where a store is, and the PEM file to trust; empty over plain HTTP. */
export type Address = Pick<Work, "endpoint" | "caFile">;

/** What is running. */
export interface Servers {
  plain: Address;
  /** Undefined where nobody asked for it. */
  tls: Address | undefined;
  close(): Promise<void>;
}

/** What to start. */
export interface ServersOptions {
  name: ServerName;
  needsTls: boolean;
  /** For state, logs and keys. */
  directory: string;
  /** Of the data sets of the synthetic server. */
  scale: string;
  sets: readonly string[];
}

function script(args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(SCRIPT, { args: [...args] }).outputSync();
  if (!success) {
    throw new Error(`Cannot run servers.sh ${args[0]}: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  }
  return new TextDecoder().decode(stdout);
}

/** Starts servers of one kind. */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { name, needsTls, directory } = options;
  // The synthetic server borrows the certificates of a real one.
  const real = name === "synthetic" ? "s3" : name;
  const names = [...(name === "synthetic" ? [] : [name]), ...(needsTls ? [`${real}-tls`] : [])];
  let text = "";
  if (names.length > 0) {
    script(["install", ...names]);
    text = script(["start", directory, ...names]);
  }
  const stop = () => void (names.length > 0 && script(["stop", directory]));
  const exported = (variable: string) => new RegExp(`^export ${variable}=(.*)$`, "m").exec(text)?.[1] ?? "";
  const caFile = exported("COPILOT_TEST_CA");
  if (name !== "synthetic") {
    const variable = `COPILOT_TEST_${name.toUpperCase()}`;
    const plain = { endpoint: exported(variable), caFile: "" };
    const tls = needsTls ? { endpoint: exported(`${variable}_TLS`), caFile } : undefined;
    return { plain, tls, close: () => Promise.resolve(stop()) };
  }
  const children: Deno.ChildProcess[] = [];
  const start = async (flags: readonly string[]): Promise<number> => {
    const { child, port } = await startSynthetic([...flags, "--scale", options.scale, ...options.sets]);
    children.push(child);
    return port;
  };
  const keys = ["--cert", `${directory}/tls/leaf.crt`, "--key", `${directory}/tls/leaf.key`];
  return {
    plain: { endpoint: `http://127.0.0.1:${await start([])}`, caFile: "" },
    tls: needsTls ? { endpoint: `https://localhost:${await start(keys)}`, caFile } : undefined,
    async close() {
      for (const child of children) child.kill();
      await Promise.all(children.map(({ status }) => status));
      stop();
    },
  };
}

async function startSynthetic(args: readonly string[]): Promise<{ child: Deno.ChildProcess; port: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${HERE}synthetic_server.ts`, ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  const port = Number(value);
  if (!(port > 0)) throw new Error(`The synthetic server did not start: ${value ?? "no port"}`);
  return { child, port };
}

function certificates({ caFile }: Address): string[] {
  return caFile === "" ? [] : [Deno.readTextFileSync(caFile)];
}

/** Makes the bucket that everything is in. */
export async function createBucket(store: Address): Promise<void> {
  const path = `/${BUCKET}`;
  const { host } = new URL(store.endpoint);
  const part = { method: "PUT", path, query: "", host, headers: [], payload: EMPTY_PAYLOAD };
  const credentials = { accessKeyId: KEYS.id, secretAccessKey: new Secret(KEYS.secret) };
  const headers = new Signer("us-east-1").sign(part, credentials, Date.now());
  using client = Deno.createHttpClient({ caCerts: certificates(store) });
  const reply = await fetch(`${store.endpoint}${path}`, { method: "PUT", headers, client });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`Cannot make the bucket: status ${reply.status} ${text.slice(0, 300)}`);
}

/** Whether an object is no data: what a sidecar leaves beside them. */
function isDocument(name: string): boolean {
  return name.endsWith("/outputs.pb");
}

/** Number and bytes of the objects below a prefix, documents left out. */
export async function listed(store: Address, prefix: string): Promise<{ files: number; bytes: number }> {
  const { signal } = new AbortController();
  const settings = {
    kind: "s3",
    values: { endpoint: store.endpoint, region: "us-east-1", auth_type: "accesskey", access_key_id: KEYS.id },
    secrets: { secret_key: new Secret(KEYS.secret) },
  };
  const context = {
    ...{ system: sys, env: {}, caCerts: certificates(store), signal },
    allow: () => Promise.resolve(),
  };
  const opened = await openStore(parseUri(`s3://${BUCKET}/`, "the bucket"), settings, context);
  const sum = { files: 0, bytes: 0 };
  try {
    let token: string | undefined;
    for (;;) {
      const page = await opened.list(`${prefix}/`, { signal, ...(token !== undefined && { token }) });
      for (const { key, size } of page.objects) {
        if (isDocument(key)) continue;
        sum.files++;
        sum.bytes += size;
      }
      if (page.next === undefined) return sum;
      token = page.next;
    }
  } finally {
    opened.close();
  }
}

/** What the synthetic server got below a prefix, documents left out. */
export async function received(store: Address, prefix: string): Promise<Arrived[]> {
  using client = Deno.createHttpClient({ caCerts: certificates(store) });
  const reply = await fetch(`${store.endpoint}/checksums?prefix=${prefix}/`, { client });
  const files: Arrived[] = await reply.json();
  return files.map((file) => ({ ...file, name: `/${file.name}` })).filter(({ name }) => !isDocument(name));
}
