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
import type { HttpClient, HttpRequest } from "../../../http/client.ts";
import { retryAfterMs } from "../../../http/head.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import { Renewed } from "../../cloud/renewed.ts";
import { smallExchange, type SmallReply } from "../../cloud/small_exchange.ts";
import { jsonObject, quoted, redacted } from "../../cloud/server_words.ts";

/** The audience of tokens, in every cloud. */
const RESOURCE = "https://storage.azure.com";
/** The metadata service answers within milliseconds, or is not there; while a node starts it may take a moment. */
const METADATA_ATTEMPTS = 3;
const METADATA_WAIT_MS = 500;
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

/** The tokens of one store. */
export function tokensFor(credential: TokenCredential, options: TokenOptions): Renewed<Token> {
  const fetch = () =>
    credential.kind === "application"
      ? applicationToken(credential, options)
      : identityToken(credential, options);
  return new Renewed(fetch, options.system.clock);
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
  const { http, signal, object, from } = about;
  const reply = await smallExchange(http, { ...request, object: request.origin.key, signal }).catch(
    (thrown) => {
      if (!(thrown instanceof CopilotError) || thrown.code === "aborted") throw thrown;
      throw thrown.within({ action: "get a token for", object, via: `from ${from}` });
    },
  );
  const fields = jsonObject(reply.text) ?? {};
  if (reply.status !== 200) throw refusal(reply, fields, about);
  return tokenOf(fields, about);
}

/**
 * Never `not-found`, which would be read as an object's: a refused identity is `denied`.
 */
function refusal(
  { status, headers }: SmallReply,
  { error, error_description: description }: Readonly<Record<string, unknown>>,
  { from, object, secret, passing, system }: About,
): CopilotError {
  const byStatus = passing.includes(status) ? "unavailable" : codeOfStatus(status);
  const code = byStatus === "throttled" || byStatus === "unavailable" ? byStatus : "denied";
  const said = [error, description].filter((part) => typeof part === "string").join(": ");
  const words = quoted(redacted(said, [secret?.reveal()]));
  const waitMs = retryAfterMs(headers.get("retry-after"), system.clock.nowMs());
  return failure(code, `status ${status}${words && ` (${words})`}`, {
    from,
    object,
    status,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  });
}

/** `expires_in` and `expires_on` are numbers or, from managed identities, their decimal text. */
function tokenOf(fields: Readonly<Record<string, unknown>>, { from, object, system }: About): Token {
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
