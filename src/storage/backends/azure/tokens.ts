/**
 * Tokens for Azure Storage: of workload identity, a service principal, or a managed identity. Each is one exchange over HTTP.
 *
 * The project's own, because @azure/identity costs 18 MB and 60 ms to load, reads the machine's environment, and looks for
 * one credential after the other until something answers.
 * @module
 */
import { Secret } from "../../../config/mod.ts";
import { codeOfStatus, CopilotError, type ErrorCode } from "../../../errors.ts";
import type { System } from "../../../system/mod.ts";
import type { AzureCredential } from "./settings.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "../../../http/client.ts";
import { retryAfterMs } from "../../../http/head.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import { readAll } from "../../store.ts";
import { quoted } from "./reply.ts";

/** The audience of tokens, in every cloud. */
const RESOURCE = "https://storage.azure.com";
/** Tokens are renewed this long before they run out. */
const RENEWAL_MS = 5 * 60_000;
/** After a renewal that failed, while the token at hand is still good. */
const RENEWAL_PAUSE_MS = 30_000;
/** The metadata service answers within milliseconds, or is not there; while a node starts it may take a moment. */
const METADATA_ATTEMPTS = 3;
const METADATA_WAIT_MS = 500;
const MAX_REPLY_BYTES = 64 * 1024;
const MAX_TOKEN_FILE_BYTES = 64 * 1024;

/** A token. A renewal is another object. */
export interface Token {
  value: Secret;
  /** Milliseconds since 1970. */
  expiresAtMs: number;
}

/** Credentials that are exchanged for tokens. */
export type TokenCredential = Extract<AzureCredential, { kind: "application" | "identity" }>;

/** What an exchange needs. */
export interface TokenOptions {
  http: HttpClient;
  system: System;
  /** URI of the container, for messages. */
  object: string;
  /** Ends an exchange; not that of one caller, since others wait for the same token. */
  signal: AbortSignal;
}

/** Gives tokens, fetched once for all who ask at the same time. */
export class TokenSource {
  readonly #credential: TokenCredential;
  readonly #options: TokenOptions;
  #current: Token | null = null;
  #fetching: Promise<Token> | null = null;
  #pausedUntilMs = 0;

  constructor(credential: TokenCredential, options: TokenOptions) {
    this.#credential = credential;
    this.#options = options;
  }

  /** A token that is valid now, or a promise of one. */
  get(): Token | Promise<Token> {
    const current = this.#current;
    if (current === null) return this.#fetch();
    const now = this.#now();
    if (current.expiresAtMs - now > RENEWAL_MS) return current;
    if (current.expiresAtMs > now && now < this.#pausedUntilMs) return current;
    return this.#fetch().catch((thrown) => {
      if (current.expiresAtMs <= this.#now()) throw thrown;
      this.#pausedUntilMs = this.#now() + RENEWAL_PAUSE_MS;
      return current;
    });
  }

  /** Forgets a token that a server refused. */
  forget(refused: Token): void {
    if (this.#current === refused) this.#current = null;
  }

  /** Closes connections. Idempotent. */
  close(): void {
    this.#options.http.close();
  }

  #now(): number {
    return this.#options.system.clock.nowMs();
  }

  #fetch(): Promise<Token> {
    const { kind } = this.#credential;
    const exchange = kind === "application" ? applicationToken : identityToken;
    this.#fetching ??= exchange(this.#credential as never, this.#options)
      .then((token) => this.#current = token)
      .finally(() => this.#fetching = null);
    return this.#fetching;
  }
}

function failure(
  code: ErrorCode,
  detail: string,
  { from, object, ...rest }: {
    from: string;
    object: string;
    status?: number;
    retryAfterMs?: number;
    cause?: unknown;
  },
): CopilotError {
  return new CopilotError(code, { action: "get a token for", object, via: `from ${from}`, detail, ...rest });
}

/** The OAuth 2.0 client credentials grant, proved by a federated token (RFC 7523) or a secret. */
async function applicationToken(
  credential: Extract<TokenCredential, { kind: "application" }>,
  options: TokenOptions,
): Promise<Token> {
  const { url, clientId, proof } = credential;
  const secret = "secret" in proof ? proof.secret : readTokenFile(proof.tokenFile, credential.from, options);
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    scope: `${RESOURCE}/.default`,
    client_id: clientId,
    ...("secret" in proof ? { client_secret: secret.reveal() } : {
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: secret.reveal(),
    }),
  });
  const { origin, path } = parseHttpUrl(url, "AZURE_AUTHORITY_HOST");
  return await exchange(
    {
      method: "POST",
      origin,
      path,
      headers: [["Content-Type", "application/x-www-form-urlencoded"], ["Accept", "application/json"]],
      body: new TextEncoder().encode(form.toString()),
    },
    { ...options, from: credential.from, secret, passing: [] },
  );
}

/** Read anew for every token: the kubelet replaces the file before what is in it runs out. */
function readTokenFile(path: string, from: string, { system, object }: TokenOptions): Secret {
  let text: string;
  try {
    text = new TextDecoder().decode(system.files.readFile(path, MAX_TOKEN_FILE_BYTES)).trim();
  } catch (cause) {
    throw failure("config", `the file "${path}" cannot be read`, { from, object, cause });
  }
  if (text === "") throw failure("config", `the file "${path}" is empty`, { from, object });
  return new Secret(text);
}

/** Managed identity: App Service's endpoint with its header, or the instance metadata service. */
async function identityToken(
  credential: Extract<TokenCredential, { kind: "identity" }>,
  options: TokenOptions,
): Promise<Token> {
  const { url, clientId, header, from } = credential;
  const { origin, path } = parseHttpUrl(url, "IDENTITY_ENDPOINT");
  const query = new URLSearchParams({
    "api-version": header === undefined ? "2018-02-01" : "2019-08-01",
    resource: `${RESOURCE}/`,
    ...(clientId !== undefined && { client_id: clientId }),
  });
  const request = {
    method: "GET",
    origin,
    path: `${path}${path.includes("?") ? "&" : "?"}${query}`,
    headers: header === undefined
      ? [["Metadata", "true"] as const]
      : [["X-IDENTITY-HEADER", header.reveal()] as const],
  };
  // The service says 404 and 410 while it is being updated.
  const about = { ...options, from, secret: header, passing: [404, 410] };
  for (let attempt = 1;; attempt++) {
    try {
      return await exchange(request, about);
    } catch (thrown) {
      const isAbsent = header === undefined && thrown instanceof CopilotError &&
        (thrown.code === "network" || thrown.code === "timeout") && thrown.status === undefined;
      if (!isAbsent) throw thrown;
      if (attempt === METADATA_ATTEMPTS) {
        throw failure("denied", "it does not answer", { from, object: options.object, cause: thrown });
      }
      await options.system.clock.sleep(METADATA_WAIT_MS * attempt, options.signal);
    }
  }
}

interface About extends TokenOptions {
  from: string;
  /** What a reply must not repeat into a message. */
  secret: Secret | undefined;
  /** Statuses that pass by themselves. */
  passing: readonly number[];
}

async function exchange(request: Omit<HttpRequest, "object" | "signal">, about: About): Promise<Token> {
  const { reply, text } = await answer(request, about).catch((thrown) => {
    if (!(thrown instanceof CopilotError) || thrown.code === "aborted") throw thrown;
    throw thrown.within({ action: "get a token for", object: about.object, via: `from ${about.from}` });
  });
  const fields = parseJson(text);
  if (reply.status !== 200) throw refusal(reply, fields, about);
  return tokenOf(fields, about);
}

async function answer(request: Omit<HttpRequest, "object" | "signal">, { http, signal }: About) {
  const reply = await http.request({ ...request, object: request.origin.key, signal });
  const tooLarge = () => new CopilotError("unavailable", `the reply is larger than ${MAX_REPLY_BYTES} bytes`);
  const text = new TextDecoder().decode(await readAll(reply.body, MAX_REPLY_BYTES, tooLarge));
  return { reply, text };
}

function parseJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

/**
 * Never `not-found`, which would be read as an object's: a refused identity is `denied`.
 */
function refusal(
  { status, headers }: HttpResponse,
  { error, error_description: description }: Record<string, unknown>,
  { from, object, secret, passing, system }: About,
): CopilotError {
  const byStatus = passing.includes(status) ? "unavailable" : codeOfStatus(status);
  const code = byStatus === "throttled" || byStatus === "unavailable" ? byStatus : "denied";
  const said = [error, description].filter((part) => typeof part === "string").join(": ");
  const words = quoted(secret === undefined ? said : said.replaceAll(secret.reveal(), "***"));
  const waitMs = retryAfterMs(headers.get("retry-after"), system.clock.nowMs());
  return failure(code, `status ${status}${words && ` (${words})`}`, {
    from,
    object,
    status,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  });
}

/** `expires_in` and `expires_on` are numbers or, from managed identities, their decimal text. */
function tokenOf(fields: Record<string, unknown>, { from, object, system }: About): Token {
  const value = fields["access_token"];
  const now = system.clock.nowMs();
  const inSeconds = Number(fields["expires_in"]);
  const atMs = inSeconds > 0 ? now + inSeconds * 1000 : Number(fields["expires_on"]) * 1000;
  // A line break would end its header; a time that has passed would ask without end.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value) || !(atMs > now)) {
    throw failure("unavailable", "the reply has no access_token that is still valid", { from, object });
  }
  return { value: new Secret(value), expiresAtMs: atMs };
}
