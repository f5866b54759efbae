/**
 * Containers on the test servers, and the command lines that reach them.
 * @module
 */
import { Secret, storeSettings } from "../../src/config/mod.ts";
import { openStore } from "../../src/storage/backends/mod.ts";
import { EMPTY_PAYLOAD, Signer } from "../../src/storage/backends/s3/sigv4.ts";
import { bytesSource, type ObjectStore, readAll } from "../../src/storage/store.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import { ACCOUNT, makeContainer } from "../support/azure.ts";
import { MACHINE, type Need } from "./harness.ts";

/** How a container is reached. */
export interface Access {
  /** URI of the container, without a slash at its end. */
  root: string;
  kind: string;
  /** `storage.stow.config`. */
  config: Record<string, string>;
  env: Record<string, string>;
  /** What the program must not show. */
  secrets: string[];
}

/** A server that can be tested. */
export interface Place {
  need: Need;
  /** Makes a container that nobody else has. */
  make(): Promise<Access>;
}

const { signal } = new AbortController();

/** `storage.stow.*` as Flyte's plugin writes it. */
export function stowFlags({ kind, config }: Pick<Access, "kind" | "config">): string[] {
  const flags = ["--storage.limits.maxDownloadMBs=0", "--storage.type=stow", `--storage.stow.kind=${kind}`];
  for (const [name, value] of Object.entries(config)) flags.push("--storage.stow.config", `${name}=${value}`);
  return flags;
}

/** A container as the tests see it. */
export class Container {
  readonly root: string;
  readonly #store: Promise<ObjectStore>;

  constructor({ root, kind, config, env }: Access) {
    this.root = root;
    const uri = parseUri(`${root}/`, "the container");
    const caCerts = env.SSL_CERT_FILE === undefined ? [] : [Deno.readTextFileSync(env.SSL_CERT_FILE)];
    const context = { system: sys, env, caCerts, allow: () => Promise.resolve(), signal };
    this.#store = openStore(uri, storeSettings(kind, config), context);
  }

  async put(key: string, text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    await (await this.#store).put(key, bytesSource(bytes), { signal });
  }

  async read(key: string): Promise<Uint8Array> {
    const { body } = await (await this.#store).get(key, { signal });
    return await readAll(body, 1e8, () => new Error("too large"));
  }

  /** Keys below a prefix. */
  async keys(prefix: string): Promise<string[]> {
    const store = await this.#store;
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const page = await store.list(prefix, { signal, ...(token !== undefined && { token }) });
      keys.push(...page.objects.map(({ key }) => key));
      token = page.next;
    } while (token !== undefined);
    return keys;
  }

  async close(): Promise<void> {
    (await this.#store).close();
  }
}

function url(need: Need): string {
  return MACHINE[need]!;
}

async function createBucket(endpoint: string, bucket: string, caCerts: string[]): Promise<void> {
  const credentials = { accessKeyId: "testkey", secretAccessKey: new Secret("testsecret") };
  const { host } = new URL(endpoint);
  const part = { method: "PUT", path: `/${bucket}`, query: "", host, headers: [], payload: EMPTY_PAYLOAD };
  const headers = new Signer("us-east-1").sign(part, credentials, Date.now());
  using client = Deno.createHttpClient({ caCerts });
  const reply = await fetch(`${endpoint}/${bucket}`, { method: "PUT", headers, client });
  await reply.body?.cancel();
  if (!reply.ok) throw new Error(`Cannot create the bucket ${bucket}: status ${reply.status}`);
}

/** A bucket that is reached as S3, or as the S3 interface of another kind. */
async function s3(need: Need, kind: "s3" | "swift" | "oracle" = "s3"): Promise<Access> {
  const bucket = `e2e-${sys.randomHex(8)}`;
  const ca = need === "versitygwTls" ? url("ca") : undefined;
  await createBucket(url(need), bucket, ca === undefined ? [] : [Deno.readTextFileSync(ca)]);
  return {
    root: `${{ s3: "s3", swift: "sw", oracle: "os" }[kind]}://${bucket}`,
    kind,
    config: {
      ...(kind === "s3" && { auth_type: "accesskey" }),
      access_key_id: "testkey",
      secret_key: "testsecret",
      region: "us-east-1",
      disable_ssl: ca === undefined ? "true" : "false",
      endpoint: url(need),
    },
    env: ca === undefined ? {} : { SSL_CERT_FILE: ca },
    secrets: ["testsecret"],
  };
}

async function gcs(): Promise<Access> {
  const bucket = `e2e-${sys.randomHex(8)}`;
  const body = JSON.stringify({ name: bucket });
  const reply = await fetch(`${url("gcs")}/storage/v1/b`, { method: "POST", body });
  await reply.body?.cancel();
  const env = { STORAGE_EMULATOR_HOST: url("gcs") };
  return { root: `gs://${bucket}`, kind: "google", config: { project_id: "p" }, env, secrets: [] };
}

async function azure(): Promise<Access> {
  const key = Deno.env.get("COPILOT_TEST_AZURE_KEY") ?? "";
  const container = `e2e-${sys.randomHex(8)}`;
  await makeContainer(url("azure"), key, container);
  const config = { account: ACCOUNT, key, base_url: url("azure") };
  return { root: `abfs://${container}`, kind: "azure", config, env: {}, secrets: [key] };
}

function redis(): Promise<Access> {
  const root = `${url("redis")}/e2e-${sys.randomHex(8)}`;
  return Promise.resolve({ root, kind: "redis", config: { endpoint: url("redis") }, env: {}, secrets: [] });
}

/** Servers by name. */
export const PLACES: Readonly<Record<string, Place>> = {
  "versitygw": { need: "versitygw", make: () => s3("versitygw") },
  "versitygw as Swift's S3 interface": { need: "versitygw", make: () => s3("versitygw", "swift") },
  "versitygw as Oracle's S3 interface": { need: "versitygw", make: () => s3("versitygw", "oracle") },
  "versitygw behind a private CA": { need: "versitygwTls", make: () => s3("versitygwTls") },
  "MinIO": { need: "minio", make: () => s3("minio") },
  "fake-gcs-server": { need: "gcs", make: gcs },
  "azurite": { need: "azure", make: azure },
  "redis": { need: "redis", make: redis },
};
