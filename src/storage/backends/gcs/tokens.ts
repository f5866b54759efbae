/**
 * Tokens from where the settings say that credentials are (gcs/settings.ts), and from nowhere else.
 * @module
 */
import { Secret, type StoreSettings } from "../../../config/mod.ts";
import { CopilotError, from } from "../../../errors.ts";
import type { BackendContext } from "../../backend.ts";
import { type GoogleCredentials, parseGoogleCredentials } from "./credential_file.ts";
import { type CredentialOrigin, credentialOrigin, scopesOf } from "./settings.ts";
import { HttpClient } from "../../../http/client.ts";
import { exchange, type Exchanger, fieldsOf } from "./exchange.ts";
import { Renewed } from "../../cloud/renewed.ts";

/** Bytes of a credential file: a key is 2.3 KB. */
const MAX_FILE_BYTES = 256 * 1024;
/** These servers are near or quick; a run should know soon that there is none. */
const BOUNDS = { connectTimeoutMs: 5_000, headTimeoutMs: 15_000, stallTimeoutMs: 10_000 };

/** A token and its end. A renewal is another object. */
export interface AccessToken {
  value: Secret;
  /** Milliseconds since 1970. */
  expiresAtMs: number;
}

/** Gets a token from where tokens come from. */
type FetchToken = () => Promise<AccessToken>;

/** Tokens and what frees them. */
export interface CredentialSource {
  /** Null for requests without credentials. */
  tokens: Renewed<AccessToken> | null;
  close(): void;
}

/**
 * Finds the credentials of a store. Makes no request.
 *
 * @throws CopilotError `config` or `unsupported` for a credential file that cannot be used, or as reading it fails; no other source
 *   is tried instead
 */
export function openCredentials(settings: StoreSettings, context: BackendContext): CredentialSource {
  const origin = credentialOrigin(settings, context.env);
  if (origin.kind === "anonymous") return { tokens: null, close() {} };
  const { system, env, caCerts, signal } = context;
  const client = new HttpClient({ network: system.network, clock: system.clock, env, caCerts, ...BOUNDS });
  const exchanger: Exchanger = { client, clock: system.clock, signal };
  signal.addEventListener("abort", () => client.close(), { once: true });
  const fetch = fetchFrom(origin, settings, { ...context, exchanger });
  return { tokens: new Renewed(fetch, system.clock), close: () => client.close() };
}

interface FetchContext extends BackendContext {
  exchanger: Exchanger;
}

function fetchFrom(
  origin: Exclude<CredentialOrigin, { kind: "anonymous" }>,
  settings: StoreSettings,
  context: FetchContext,
): FetchToken {
  const { files } = context.system;
  if (origin.kind === "text") {
    const credentials = parseGoogleCredentials(origin.text, origin.from);
    return () => exchanged(credentials, settings, context);
  }
  if (origin.kind === "ambient") {
    const { wellKnownPath: path } = origin;
    const isThere = path !== undefined && files.stat(path) !== null;
    if (!isThere) return () => fromMetadata(origin, settings, context.exchanger);
  }
  const path = origin.kind === "file" ? origin.path : origin.wellKnownPath!;
  const what = origin.kind === "file" ? `${origin.from} "${path}"` : `"${path}"`;
  const load = () => parseGoogleCredentials(readText(path, what, context), what);
  load();
  // Read anew for each token: a mounted key may have been replaced.
  return () => exchanged(load(), settings, context);
}

function readText(path: string, what: string, { system }: BackendContext): string {
  try {
    return new TextDecoder().decode(system.files.readFile(path, MAX_FILE_BYTES));
  } catch (thrown) {
    const { code, message } = from(thrown, { action: "read", object: path });
    throw new CopilotError(code === "denied" ? code : "config", {
      action: `use the Google credentials of ${what}`,
      detail: message,
    });
  }
}

async function exchanged(
  credentials: GoogleCredentials,
  settings: StoreSettings,
  { exchanger, system }: FetchContext,
): Promise<AccessToken> {
  const { fetchToken } = await import("./google_auth.ts");
  return await fetchToken(credentials, { ...exchanger, files: system.files, scopes: scopesOf(settings) });
}

/** The token of the machine's or pod's service account. */
async function fromMetadata(
  origin: Extract<CredentialOrigin, { kind: "ambient" }>,
  settings: StoreSettings,
  exchanger: Exchanger,
): Promise<AccessToken> {
  // The account's own scopes, unless some were asked for.
  const scopes = settings.values.scopes ? `?scopes=${encodeURIComponent(scopesOf(settings).join(","))}` : "";
  const url = `${origin.metadataUrl}/computeMetadata/v1/instance/service-accounts/default/token${scopes}`;
  const { headers, text } = await exchange(exchanger, {
    method: "GET",
    url,
    headers: [["Metadata-Flavor", "Google"]],
  })
    .catch((thrown) => {
      throw withTried(thrown, origin);
    });
  if (headers.get("metadata-flavor")?.toLowerCase() !== "google") {
    throw withTried(new CopilotError("denied", `${origin.metadataUrl} is no metadata server`), origin);
  }
  const { access_token: value, expires_in: seconds } = fieldsOf(text, url);
  if (typeof value !== "string" || value === "" || typeof seconds !== "number" || !(seconds > 0)) {
    throw new CopilotError("unavailable", `${origin.metadataUrl} gave no token: its reply has none`);
  }
  return { value: new Secret(value), expiresAtMs: exchanger.clock.nowMs() + seconds * 1000 };
}

/** Nothing is configured: the error says what would have been used. */
function withTried(
  thrown: unknown,
  { wellKnownPath }: Extract<CredentialOrigin, { kind: "ambient" }>,
): CopilotError {
  const error = from(thrown, { action: "ask the metadata server" });
  if (error.code === "aborted") return error;
  const tried = [
    "storage.stow.config json is not set",
    "GOOGLE_APPLICATION_CREDENTIALS is not set",
    ...(wellKnownPath === undefined ? [] : [`"${wellKnownPath}" does not exist`]),
    error.message,
  ];
  return new CopilotError(error.code, {
    detail: `No Google credentials: ${tried.join(", ")}`,
    status: error.status,
    retryAfterMs: error.retryAfterMs,
  });
}
