/**
 * Credential files to tokens by Google's own library: the only module that knows google-auth-library, loaded when a credential
 * file is used and not before.
 *
 * The library decides what is sent; how it is sent is this program's: its transport, its bounds and its one retry layer. A client
 * is made anew for each token, so that the library caches nothing.
 * @module
 */
import { AwsClient, IdentityPoolClient, JWT, UserRefreshClient } from "../../../packages/google_auth.ts";
import { Secret } from "../../../config/mod.ts";
import { cannot, CopilotError } from "../../../errors.ts";
import type { Files } from "../../../system/mod.ts";
import type { ExternalAccount, GoogleCredentials, Impersonation, SubjectSource } from "./credential_file.ts";
import { type Exchange, exchange, type Exchanger, fieldsOf } from "./exchange.ts";
import type { AccessToken } from "./tokens.ts";

/** What the library is given of the world. */
export interface GoogleAuthContext extends Exchanger {
  files: Files;
  scopes: string[];
}

/** The library has this URL for every service account. */
const LIBRARY_TOKEN_URL = "https://oauth2.googleapis.com/token";
/** Lifetime of a token whose reply says none. */
const DEFAULT_LIFETIME_MS = 300_000;
const IMPERSONATED_LIFETIME = "3600s";
const MAX_SUBJECT_BYTES = 64 * 1024;
/** Parameters of token requests that are credentials. */
const SECRET_PARAMETERS = ["assertion", "client_secret", "refresh_token", "subject_token"];

/** A request as the library makes it. */
interface LibraryRequest {
  url?: string | URL;
  method?: string;
  headers?: ConstructorParameters<typeof Headers>[0];
  data?: unknown;
  responseType?: string;
}

/** What the library uses of its own HTTP client. */
interface Transporter {
  /** Replies with success so far. */
  replies: number;
  request(options: LibraryRequest): Promise<{ data: unknown; status: number; config: LibraryRequest }>;
}

/** @param tokenUrl takes the place of {@linkcode LIBRARY_TOKEN_URL} */
function transporterOf(context: GoogleAuthContext, tokenUrl: string): Transporter {
  return {
    replies: 0,
    async request(options) {
      const { status, text } = await exchange(context, exchangeOf(options, tokenUrl));
      this.replies++;
      const data = options.responseType === "text" ? text : fieldsOf(text, String(options.url));
      return { data, status, config: options };
    },
  };
}

function exchangeOf({ url, method = "GET", headers, data }: LibraryRequest, tokenUrl: string): Exchange {
  const sent = new Headers(headers);
  const isForm = data instanceof URLSearchParams;
  if (data !== undefined && !sent.has("content-type")) {
    sent.set("content-type", isForm ? "application/x-www-form-urlencoded" : "application/json");
  }
  const secrets = isForm ? SECRET_PARAMETERS.map((name) => data.get(name) ?? "") : [];
  for (const word of (sent.get("authorization") ?? "").split(" ").slice(1)) secrets.push(word);
  return {
    method,
    url: String(url) === LIBRARY_TOKEN_URL ? tokenUrl : String(url),
    headers: [...sent],
    ...(data !== undefined && { body: isForm ? data.toString() : JSON.stringify(data) }),
    secrets,
  };
}

/** Options that every client of the library takes. */
function common(transporter: Transporter) {
  // The library's types ask for its own class, of which it calls `request` only.
  return { transporter: transporter as never, useAuthRequestParameters: false };
}

/**
 * Exchanges credentials for a token.
 *
 * @throws CopilotError `denied` for credentials that are refused, `config` for those that cannot be used, or as `exchange` throws
 */
export async function fetchToken(
  credentials: GoogleCredentials,
  context: GoogleAuthContext,
): Promise<AccessToken> {
  if (credentials.type === "impersonated_service_account") return await impersonate(credentials, context);
  const isAccount = credentials.type === "service_account";
  const transporter = transporterOf(context, isAccount ? credentials.tokenUrl : LIBRARY_TOKEN_URL);
  const client = clientOf(credentials, context, transporter);
  try {
    await client.getAccessToken();
  } catch (thrown) {
    if (thrown instanceof CopilotError) throw thrown;
    if (transporter.replies > 0) return tokenOf(undefined, undefined, context);
    // The library's own words may repeat what it was given.
    const what = credentials.type === "service_account"
      ? "the private key cannot be used"
      : "the library refuses them";
    throw new CopilotError("config", `Google credentials of type ${credentials.type}: ${what}`);
  }
  const { access_token: value, expiry_date: expiresAtMs } = client.credentials;
  return tokenOf(value, expiresAtMs ?? undefined, context);
}

function tokenOf(value: unknown, expiresAtMs: number | undefined, { clock }: GoogleAuthContext): AccessToken {
  if (typeof value !== "string" || value === "") {
    throw new CopilotError("unavailable", "The token server gave no token: its reply has none");
  }
  const isTime = expiresAtMs !== undefined && !Number.isNaN(expiresAtMs);
  return {
    value: new Secret(value),
    expiresAtMs: isTime ? expiresAtMs : clock.nowMs() + DEFAULT_LIFETIME_MS,
  };
}

function clientOf(
  credentials: Exclude<GoogleCredentials, Impersonation>,
  context: GoogleAuthContext,
  transporter: Transporter,
) {
  switch (credentials.type) {
    case "service_account":
      return new JWT({
        ...common(transporter),
        email: credentials.email,
        key: credentials.privateKey.reveal(),
        scopes: context.scopes,
        additionalClaims: { aud: credentials.tokenUrl },
      });
    case "authorized_user":
      return new UserRefreshClient({
        ...common(transporter),
        clientId: credentials.clientId,
        clientSecret: credentials.clientSecret.reveal(),
        refreshToken: credentials.refreshToken.reveal(),
        endpoints: { oauth2TokenUrl: credentials.tokenUrl },
      });
    case "external_account":
      return externalClient(credentials, context, transporter);
  }
}

function externalClient(
  credentials: ExternalAccount,
  context: GoogleAuthContext,
  transporter: Transporter,
): AwsClient | IdentityPoolClient {
  const { audience, subjectTokenType, tokenUrl, impersonationUrl, lifetimeSeconds, source } = credentials;
  const { clientId, clientSecret, userProject } = credentials;
  const options = {
    ...common(transporter),
    type: "external_account" as const,
    audience,
    subject_token_type: subjectTokenType,
    token_url: tokenUrl,
    scopes: context.scopes,
    ...(impersonationUrl !== undefined && { service_account_impersonation_url: impersonationUrl }),
    ...(lifetimeSeconds !== undefined &&
      { service_account_impersonation: { token_lifetime_seconds: lifetimeSeconds } }),
    ...(clientId !== undefined && { client_id: clientId }),
    ...(clientSecret !== undefined && { client_secret: clientSecret.reveal() }),
    ...(userProject !== undefined && { workforce_pool_user_project: userProject }),
  };
  const client = source.kind === "aws"
    ? new AwsClient({ ...options, credential_source: awsSource(source) })
    : new IdentityPoolClient({
      ...options,
      subject_token_supplier: { getSubjectToken: () => subjectToken(source, context) },
    });
  // The library gives its exchange a transport of its own, which would know neither proxies nor trust nor bounds.
  (client as unknown as { stsCredential: { transporter: Transporter } }).stsCredential.transporter =
    transporter;
  return client;
}

function awsSource(source: Extract<SubjectSource, { kind: "aws" }>) {
  const { environmentId, verificationUrl, regionUrl, credentialsUrl, sessionTokenUrl } = source;
  return {
    environment_id: environmentId,
    regional_cred_verification_url: verificationUrl,
    ...(regionUrl !== undefined && { region_url: regionUrl }),
    ...(credentialsUrl !== undefined && { url: credentialsUrl }),
    ...(sessionTokenUrl !== undefined && { imdsv2_session_token_url: sessionTokenUrl }),
  };
}

/** The other provider's token, read anew each time: it is replaced while the run goes on. */
async function subjectToken(
  source: Exclude<SubjectSource, { kind: "aws" }>,
  context: GoogleAuthContext,
): Promise<string> {
  const where = source.kind === "file" ? source.path : source.url;
  const text = source.kind === "file"
    ? new TextDecoder().decode(context.files.readHead(source.path, MAX_SUBJECT_BYTES))
    : (await exchange(context, { method: "GET", url: source.url, headers: Object.entries(source.headers) }))
      .text;
  const token = source.field === undefined ? text.trim() : memberOf(text, source.field);
  if (token !== "") return token;
  const place = source.field === undefined ? "" : ` in the field "${source.field}"`;
  throw cannot("read a subject token from", where, { config: `there is none${place}` });
}

function memberOf(text: string, field: string): string {
  try {
    const value: unknown = JSON.parse(text)[field];
    return typeof value === "string" ? value : "";
  } catch {
    return "";
  }
}

/** Two steps: a token of the source, and with it one of the service account. */
async function impersonate(credentials: Impersonation, context: GoogleAuthContext): Promise<AccessToken> {
  const { source, endpoint, target, delegates } = credentials;
  // The source has to reach the IAM API, which the scope of storage does not open.
  const scopes = ["https://www.googleapis.com/auth/cloud-platform"];
  const { value } = await fetchToken(source, { ...context, scopes });
  const url = `${endpoint}/v1/projects/-/serviceAccounts/${target}:generateAccessToken`;
  const { text } = await exchange(context, {
    method: "POST",
    url,
    headers: [["Content-Type", "application/json"], ["Authorization", `Bearer ${value.reveal()}`]],
    body: JSON.stringify({ delegates, scope: context.scopes, lifetime: IMPERSONATED_LIFETIME }),
    secrets: [value.reveal()],
  });
  const { accessToken, expireTime } = fieldsOf(text, url);
  return tokenOf(accessToken, Date.parse(String(expireTime)), context);
}
