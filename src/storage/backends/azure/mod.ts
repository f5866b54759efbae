/**
 * Azure Blob Storage by its REST API (https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api), for accounts
 * with and without hierarchical namespace.
 *
 * Settings (`storage.stow.config`): `account`, `key`, `domain_suffix`, `base_url`, `auth_type` (only `anonymous`);
 * `upload_concurrency` is accepted and has no meaning, as the run's own budget decides. Credentials: see azure/settings.ts.
 *
 * No SDK: @azure/storage-blob asks for permissions that a run does not have and needs 140 MB for one page of a listing.
 * @module
 */
import { cannot, CopilotError } from "../../../errors.ts";
import { Secret, type StoreSettings } from "../../../config/mod.ts";
import { throwIfAborted } from "../../../system/abort.ts";
import {
  type AzureAddress,
  azureAddress,
  type AzureCredential,
  azureCredential,
  isPrivate,
} from "./settings.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { Hmac } from "../../cloud/hmac.ts";
import { contentRange } from "../../../http/head.ts";
import { clientFor, HttpClient, type HttpResponse } from "../../../http/client.ts";
import {
  type ByteReader,
  type ByteSource,
  type CallOptions,
  type GetOptions,
  type GetResult,
  type ListOptions,
  type ListPage,
  type MultipartUpload,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
  readAll,
  type StoreTraits,
} from "../../store.ts";
import { formatUri, type StoreUri } from "../../uri.ts";
import { shownUri } from "../../../shown_uri.ts";
import { BlockUpload } from "./blocks.ts";
import { payloadOf } from "./payload.ts";
import { infoOf, parseList } from "./reply.ts";
import { discard, type Identity, Refusal, Transport } from "./transport.ts";
import { TokenSource } from "./tokens.ts";

const MIB = 1024 ** 2;
/** A page of names with their properties is then a few megabytes of XML at most. */
const PAGE_OBJECTS = 2000;
const MAX_PAGE_BYTES = 32 * MIB;
const NO_BODY: ByteReader = { read: () => Promise.resolve(null), close() {} };

/** A connection to where tokens are from is there at once, or is not to be had. */
const TOKEN_CONNECT_MS = 3_000;
const TOKEN_REPLY_MS = 20_000;

/** One container. */
class AzureStore implements ObjectStore {
  readonly root: string;
  readonly traits: StoreTraits;
  readonly #transport: Transport;
  readonly #randomHex: (length: number) => string;
  /** Until a page shows another order: by path component, or by UTF-16 as azurite has it. */
  #isSorted = true;

  constructor(root: string, transport: Transport, randomHex: (length: number) => string) {
    this.root = root;
    this.#transport = transport;
    this.#randomHex = randomHex;
    const isSorted = () => this.#isSorted;
    // Limits: https://learn.microsoft.com/rest/api/storageservices/put-block, section "Remarks".
    this.traits = {
      minPartBytes: 1,
      maxPartBytes: 4000 * MIB,
      maxParts: 50_000,
      maxPutBytes: 5000 * MIB,
      orderedParts: false,
      partMultiple: 1,
      parallelRanges: true,
      get sortedList() {
        return isSorted();
      },
    };
  }

  async get(key: string, options: GetOptions): Promise<GetResult> {
    const { start = 0, end, ifMatch, signal } = options;
    if (end !== undefined && end <= start) return await this.#empty(key, options);
    const headers: [string, string][] = [];
    if (start > 0 || end !== undefined) {
      headers.push(["x-ms-range", `bytes=${start}-${end === undefined ? "" : end - 1}`]);
    }
    if (ifMatch !== undefined) headers.push(["if-match", ifMatch]);
    try {
      const about = { key, object: this.#uri(key), signal };
      return this.#opened(
        key,
        await this.#transport.send({ method: "GET", verb: "read", ...about, headers }),
        options,
      );
    } catch (thrown) {
      if (thrown instanceof Refusal && thrown.status === 416) return await this.#empty(key, options);
      throw thrown;
    }
  }

  async head(key: string, { signal, ifMatch }: CallOptions & { ifMatch?: string }): Promise<ObjectInfo> {
    const { headers } = await this.#transport.send({
      method: "HEAD",
      verb: "stat",
      key,
      headers: ifMatch === undefined ? [] : [["if-match", ifMatch]],
      object: this.#uri(key),
      signal,
    });
    return infoOf(key, headers, Number(headers.get("content-length") ?? 0));
  }

  async list(prefix: string, { token, signal }: ListOptions): Promise<ListPage> {
    const object = this.#uri(prefix);
    const reply = await this.#transport.send({
      method: "GET",
      verb: "list",
      key: null,
      query: [
        ["restype", "container"],
        ["comp", "list"],
        // Tells directories of a hierarchical namespace.
        ["include", "metadata"],
        ["maxresults", String(PAGE_OBJECTS)],
        ...(prefix === "" ? [] : [["prefix", prefix] as const]),
        ...(token === undefined ? [] : [["marker", token] as const]),
      ],
      object,
      signal,
    });
    const tooLarge = () =>
      cannot("list", object, { network: `a page is larger than ${MAX_PAGE_BYTES} bytes` });
    const bytes = await readAll(reply.body, MAX_PAGE_BYTES, tooLarge);
    const { isSorted, ...page } = parseList(new TextDecoder().decode(bytes), object);
    this.#isSorted &&= isSorted;
    return page;
  }

  async put(key: string, source: ByteSource, { signal, checksum }: PutOptions): Promise<ObjectInfo> {
    const object = this.#uri(key);
    throwIfAborted(signal, object);
    const { header, body } = await payloadOf(source, { checksum, object, signal });
    const headers = [["x-ms-blob-type", "BlockBlob"], header] as const;
    const reply = await this.#transport.send({
      method: "PUT",
      verb: "write",
      key,
      headers,
      body,
      object,
      signal,
    });
    await discard(reply);
    return infoOf(key, reply.headers, source.size);
  }

  async beginUpload(key: string, options: CallOptions): Promise<MultipartUpload> {
    const object = this.#uri(key);
    const upload = new BlockUpload({ key, object, id: this.#randomHex(16), transport: this.#transport });
    await upload.begin(options);
    return upload;
  }

  async delete(key: string, { signal }: CallOptions): Promise<void> {
    try {
      // A blob with snapshots is not deleted without them.
      const headers = [["x-ms-delete-snapshots", "include"]] as const;
      const about = { key, headers, object: this.#uri(key), signal };
      await discard(await this.#transport.send({ method: "DELETE", verb: "delete", ...about }));
    } catch (thrown) {
      const isMissing = thrown instanceof Refusal && thrown.code === "not-found" &&
        thrown.azureCode !== "ContainerNotFound";
      if (!isMissing) throw thrown;
    }
  }

  close(): void {
    this.#transport.close();
  }

  #uri(key: string): string {
    return shownUri(`${this.root}/${key}`);
  }

  /** What a range without bytes gives: the object's information, and nothing to read. */
  async #empty(key: string, { start = 0, ifMatch, signal }: GetOptions): Promise<GetResult> {
    const info = await this.head(key, { signal, ...(ifMatch !== undefined && { ifMatch }) });
    return { info, start, length: 0, body: NO_BODY };
  }

  /** A reply to GET, checked against what was asked for. */
  #opened(key: string, reply: HttpResponse, options: GetOptions): GetResult | Promise<GetResult> {
    const { start = 0, end } = options;
    const { status, headers, length, body } = reply;
    if (status === 200 && length !== undefined) {
      return { info: infoOf(key, headers, length), start: 0, length, body };
    }
    const range = contentRange(headers.get("content-range"));
    const isAsked = range !== null && range.start === start &&
      range.end === Math.min(end ?? range.size, range.size);
    if (status === 206 && isAsked && length === range.end - range.start) {
      return { info: infoOf(key, headers, range.size), start, length, body };
    }
    body.close();
    // Azurite's answer to a range behind the end, where Azure says 416.
    if (status === 206 && length === 0) return this.#empty(key, options);
    const object = this.#uri(key);
    const got = `status ${status}, Content-Range "${headers.get("content-range") ?? ""}", Content-Length ${
      length ?? "missing"
    }`;
    // A range that is another one would be so the next time too.
    throw new CopilotError(status === 206 ? "unsupported" : "network", {
      action: "read",
      object,
      detail: `the reply does not fit the request: ${got}`,
      status,
    });
  }
}

function openContainer(uri: StoreUri, settings: StoreSettings, context: BackendContext): AzureStore {
  const root = formatUri({ ...uri, key: "" }).slice(0, -1);
  const kind = settings.values.auth_type ?? "";
  if (kind !== "" && kind !== "anonymous") {
    throw cannot("use storage.stow.config auth_type", kind, {
      config: "expected anonymous, or none for the credentials that are configured",
    });
  }
  const address = azureAddress(uri, settings, context.env);
  const credential = azureCredential(address.account, settings, context.env);
  assertPrivate(root, address, credential);
  const identity = identityOf(credential, root, context);
  const { clock, randomHex } = context.system;
  const transport = new Transport({ address, credential, identity, http: clientFor(context), clock });
  return new AzureStore(root, transport, randomHex);
}

/** A signature cannot be used for anything else; a token or a SAS can, by whoever reads it on the way. */
function assertPrivate(object: string, { origin }: AzureAddress, { kind, from }: AzureCredential): void {
  if (kind === "key" || kind === "anonymous" || isPrivate(origin)) return;
  throw cannot("use", object, {
    config: `what comes from ${from} must not go over "${origin.key}" in the clear, expected https`,
  });
}

function identityOf(credential: AzureCredential, object: string, context: BackendContext): Identity {
  switch (credential.kind) {
    case "anonymous":
      return { kind: "anonymous" };
    case "key":
      return { kind: "key", hmac: new Hmac(decodeKey(credential)), secret: credential.key };
    case "sas":
      return { kind: "sas", query: sasQuery(credential) };
    default: {
      const { system, env, caCerts, signal } = context;
      const http = new HttpClient({
        network: system.network,
        clock: system.clock,
        env,
        caCerts,
        connectTimeoutMs: TOKEN_CONNECT_MS,
        headTimeoutMs: TOKEN_REPLY_MS,
      });
      signal.addEventListener("abort", () => http.close(), { once: true });
      return { kind: "token", tokens: new TokenSource(credential, { http, system, object, signal }) };
    }
  }
}

function decodeKey({ key, from }: { key: Secret; from: string }): Uint8Array {
  try {
    return Uint8Array.fromBase64(key.reveal().trim());
  } catch {
    // The parser's own words would show a part of the key.
    throw cannot(`use ${from}`, {
      config: "it is no base64, expected the account's key as the portal shows it",
    });
  }
}

function sasQuery({ token, from }: { token: Secret; from: string }): Secret {
  const query = token.reveal().trim().replace(/^\?/, "");
  if (/^[\x21-\x7e]+$/.test(query) && query.includes("sig=") && !query.includes("#")) {
    return new Secret(query);
  }
  throw cannot(`use ${from}`, { config: "it is no shared access signature, expected sv=…&sig=…" });
}

/** The backend for `abfs://` and `abfss://`. */
export const backend: Backend = {
  open: (uri, settings, context) => new Promise((resolve) => resolve(openContainer(uri, settings, context))),
};
