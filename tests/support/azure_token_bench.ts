/**
 * A server of tokens, one of objects, and a store of Azure's between them.
 * @module
 */
import assert from "assert";
import { cannot, type CopilotError, type ErrorCode } from "../../src/errors.ts";
import { codeIs } from "./errors.ts";
import { backend } from "../../src/storage/backends/azure/mod.ts";
import { type ObjectStore, readAll } from "../../src/storage/store.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import type { Clock, System } from "../../src/system/mod.ts";
import { ACCOUNT, azureContext, azureSettings, KEY } from "./azure.ts";
import { LIVE } from "./http.ts";
import { type Canned, Loopback, reply } from "./loopback.ts";

/** Variables of an environment. */
export type Env = Record<string, string>;

/** Options of a call. */
export const call = { signal: LIVE };
/** What the providers send. */
export const FEDERATED = "a.federated.token";
export const HEADER = "an-identity-header";
export const CLIENT_SECRET = "a-client-secret";
const SECRETS = [KEY, FEDERATED, "c2lnbmF0dXJl", HEADER, CLIENT_SECRET, "token-1", "token-2", "token-3"];
/** An environment as AKS sets it. */
export const WORKLOAD = {
  AZURE_CLIENT_ID: "client",
  AZURE_TENANT_ID: "tenant",
  AZURE_FEDERATED_TOKEN_FILE: "/token",
};

/** A clock that is moved by hand; sleeps pass at once. */
class HandClock implements Clock {
  aheadMs = 0;
  readonly slept: number[] = [];
  readonly #ticks = new Set<() => void>();
  nowMs = () => sys.clock.nowMs() + this.aheadMs;
  monotonicMs = () => 0;
  sleep = (ms: number) => {
    this.slept.push(ms);
    return Promise.resolve();
  };
  every = (_ms: number, tick: () => void) => {
    this.#ticks.add(tick);
    return () => void this.#ticks.delete(tick);
  };
  tick(count: number): void {
    for (let i = 0; i < count; i++) this.#ticks.forEach((tick) => tick());
  }
}

/** A server of tokens, one of objects, and a store between them. */
export class Bench {
  readonly tokens: Loopback;
  readonly objects: Loopback;
  readonly clock = new HandClock();
  /** Text of the federated token's file. */
  file = ` ${FEDERATED}\n`;
  #store: Promise<ObjectStore> | null = null;
  readonly #env: (tokens: string) => Env;

  constructor(tokens: Canned[], env: (tokens: string) => Env) {
    this.tokens = new Loopback(...tokens);
    this.objects = new Loopback();
    this.#env = env;
  }

  get env(): Env {
    return this.#env(this.tokens.url);
  }

  get store(): Promise<ObjectStore> {
    return this.#store ??= backend.open(
      parseUri("abfs://box/", "the container"),
      azureSettings({ base_url: `${this.objects.url}/${ACCOUNT}` }),
      azureContext({ env: this.env, system: this.#system() }),
    );
  }

  /** Reads a blob, and gives the authorization that it took. */
  async authorization(): Promise<string | undefined> {
    this.objects.add(reply(200, {}, "bytes"));
    await this.read();
    return this.objects.requests.at(-1)!.headers["authorization"];
  }

  async read(): Promise<void> {
    const got = await (await this.store).get("k", call);
    await readAll(got.body, 100, () => new Error("too large"));
  }

  /** Waits until the server of tokens has been asked so often. */
  async asked(count: number): Promise<void> {
    while (this.tokens.requests.length < count) await new Promise((go) => setTimeout(go, 1));
  }

  /** What a read fails with; no secret shows in it. */
  async fails(code: ErrorCode, pattern: RegExp): Promise<CopilotError> {
    const error = await this.read().then(() => assert.fail("it succeeded"), (thrown) => thrown);
    codeIs(code, pattern)(error);
    const text = `${error.message} ${error.cause} ${JSON.stringify(error)} ${Deno.inspect(error)}`;
    for (const secret of SECRETS) assert(!text.includes(secret), `${secret} in ${text}`);
    return error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#store?.catch(() => null))?.close();
    await this.tokens.close();
    await this.objects.close();
  }

  #system(): System {
    return {
      ...sys,
      clock: this.clock,
      files: {
        ...sys.files,
        readFile: (path) => {
          if (path === "/token") return new TextEncoder().encode(this.file);
          throw cannot("open", path, { "not-found": "No such file" });
        },
      },
      network: {
        ...sys.network,
        connect: (hostname, port, signal) =>
          hostname === "169.254.169.254"
            ? sys.network.connect("127.0.0.1", this.tokens.port, signal)
            : sys.network.connect(hostname, port, signal),
      },
    };
  }
}

/** A reply with a token. */
export function token(value: string, fields: Record<string, unknown> = { expires_in: 3600 }): Canned {
  const body = JSON.stringify({ token_type: "Bearer", access_token: value, ...fields });
  return reply(200, { "Content-Type": "application/json" }, body);
}

/** The environments in which each provider is used, for a server of tokens. */
export const PROVIDERS: Record<string, (url: string) => Env> = {
  "workload identity": (url) => ({ ...WORKLOAD, AZURE_AUTHORITY_HOST: `${url}/` }),
  "service principal": (url) => ({
    AZURE_CLIENT_ID: "client",
    AZURE_TENANT_ID: "tenant",
    AZURE_CLIENT_SECRET: CLIENT_SECRET,
    AZURE_AUTHORITY_HOST: url,
  }),
  "managed identity of App Service": (url) => ({
    IDENTITY_ENDPOINT: `${url}/msi/token`,
    IDENTITY_HEADER: HEADER,
  }),
  "managed identity of a node": () => ({}),
};
