/**
 * Google's credential files: a service account's key, a user's refresh token, workload identity federation, and a service
 * account to act as. See https://google.aip.dev/auth/4110 and the AIPs that it names.
 *
 * Pure. Errors name fields, never what is in them.
 * @module
 */
import { Secret } from "../../../config/mod.ts";
import { cannot, type CopilotError } from "../../../errors.ts";

/** The domain of Google's own universe. */
export const UNIVERSE = "googleapis.com";

/** Google's own token endpoints. */
export const TOKEN_URL = "https://oauth2.googleapis.com/token";
export const STS_URL = "https://sts.googleapis.com/v1/token";

/** The key of a service account. */
export interface ServiceAccount {
  type: "service_account";
  email: string;
  privateKey: Secret;
  tokenUrl: string;
}

/** What `gcloud auth application-default login` leaves behind. */
export interface AuthorizedUser {
  type: "authorized_user";
  clientId: string;
  clientSecret: Secret;
  refreshToken: Secret;
  tokenUrl: string;
}

/** Where the token of the other identity provider is. `field` names the member of a JSON document that holds it. */
export type SubjectSource =
  | { kind: "file"; path: string; field: string | undefined }
  | { kind: "url"; url: string; headers: Readonly<Record<string, string>>; field: string | undefined }
  | {
    kind: "aws";
    environmentId: string;
    regionUrl: string | undefined;
    credentialsUrl: string | undefined;
    sessionTokenUrl: string | undefined;
    verificationUrl: string;
  };

/** Workload identity federation. */
export interface ExternalAccount {
  type: "external_account";
  audience: string;
  subjectTokenType: string;
  tokenUrl: string;
  impersonationUrl: string | undefined;
  lifetimeSeconds: number | undefined;
  clientId: string | undefined;
  clientSecret: Secret | undefined;
  userProject: string | undefined;
  source: SubjectSource;
}

/** A service account to act as, with the credentials that may do so. */
export interface Impersonation {
  type: "impersonated_service_account";
  /** E-mail address of the service account, as the URL has it. */
  target: string;
  /** `https://iamcredentials.googleapis.com`. */
  endpoint: string;
  delegates: string[];
  source: Exclude<GoogleCredentials, Impersonation>;
}

/** A credential file. */
export type GoogleCredentials = ServiceAccount | AuthorizedUser | ExternalAccount | Impersonation;

/** Types that exist and are refused by name. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  external_account_authorized_user: "use a service account or workload identity federation",
  gdch_service_account: "use the S3 interface (storage.stow.kind=s3)",
};

type Json = Readonly<Record<string, unknown>>;

/** Reads the fields of one document. */
class Fields {
  readonly #json: Json;
  readonly #what: string;

  constructor(json: Json, what: string) {
    this.#json = json;
    this.#what = what;
  }

  error(detail: string): CopilotError {
    return cannot(`use the Google credentials of ${this.#what}`, { config: detail });
  }

  has(name: string): boolean {
    return this.#json[name] !== undefined && this.#json[name] !== null;
  }

  optional(name: string): string | undefined {
    const value = this.#json[name];
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string") throw this.error(`the field "${name}" is no text`);
    return value;
  }

  text(name: string): string {
    const value = this.optional(name);
    if (value === undefined) throw this.error(`the field "${name}" is missing`);
    return value;
  }

  /** A URL that secrets are sent to: TLS, unless it is this machine. */
  secretUrl(name: string, fallback?: string): string {
    const text = this.optional(name) ?? fallback ?? this.text(name);
    const url = URL.parse(text);
    const isLoopback = url !== null && /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
    if (url === null || !(url.protocol === "https:" || (url.protocol === "http:" && isLoopback))) {
      throw this.error(`the field "${name}" is no https URL`);
    }
    return text;
  }

  /** A URL that a token of another provider comes from, often of a metadata server. */
  plainUrl(name: string): string | undefined {
    const text = this.optional(name);
    if (text !== undefined && !/^https?:$/.test(URL.parse(text)?.protocol ?? "")) {
      throw this.error(`the field "${name}" is no http or https URL`);
    }
    return text;
  }

  child(name: string): Fields {
    const value = this.#json[name];
    if (!isObject(value)) {
      throw this.error(`the field "${name}" is ${this.has(name) ? "no object" : "missing"}`);
    }
    return new Fields(value, `${this.#what} ${name}`);
  }

  strings(name: string): string[] {
    const value = this.#json[name] ?? [];
    if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) {
      throw this.error(`the field "${name}" is no list of texts`);
    }
    return value;
  }

  /** All fields as texts, for headers. */
  texts(): Record<string, string> {
    return Object.fromEntries(Object.keys(this.#json).map((name) => [name, this.text(name)]));
  }

  seconds(name: string): number | undefined {
    const value = this.#json[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || !(value > 0)) {
      throw this.error(`the field "${name}" is no number of seconds`);
    }
    return value;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses a credential file.
 *
 * @param text JSON
 * @param what the setting or file that it came from, for messages
 * @throws CopilotError `config` for anything that is not one, `unsupported` for a type that this program does not know
 */
export function parseGoogleCredentials(text: string, what: string): GoogleCredentials {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message repeats what it could not read.
    json = undefined;
  }
  if (!isObject(json)) {
    throw cannot(`use the Google credentials of ${what}`, { config: "not a JSON object" });
  }
  return parse(new Fields(json, what), what);
}

function parse(fields: Fields, what: string): GoogleCredentials {
  const type = fields.text("type");
  const universe = fields.optional("universe_domain") ?? UNIVERSE;
  if (universe !== UNIVERSE) {
    throw fields.error(
      `the field "universe_domain" is ${JSON.stringify(universe.slice(0, 100))}, expected ${UNIVERSE}`,
    );
  }
  switch (type) {
    case "service_account":
      return {
        type,
        email: fields.text("client_email"),
        privateKey: new Secret(fields.text("private_key")),
        tokenUrl: fields.secretUrl("token_uri", TOKEN_URL),
      };
    case "authorized_user":
      return {
        type,
        clientId: fields.text("client_id"),
        clientSecret: new Secret(fields.text("client_secret")),
        refreshToken: new Secret(fields.text("refresh_token")),
        tokenUrl: fields.secretUrl("token_uri", TOKEN_URL),
      };
    case "external_account":
      return externalAccount(fields);
    case "impersonated_service_account":
      return impersonation(fields, what);
  }
  const known = "service_account, authorized_user, external_account, impersonated_service_account";
  const hint = Object.hasOwn(UNSUPPORTED, type) ? `; ${UNSUPPORTED[type]}` : "";
  throw cannot(`use the Google credentials of ${what}`, {
    unsupported: `type ${JSON.stringify(type.slice(0, 60))}, expected one of ` +
      `${known}${hint}`,
  });
}

function externalAccount(fields: Fields): ExternalAccount {
  const secret = fields.optional("client_secret");
  const impersonated = fields.has("service_account_impersonation_url");
  return {
    type: "external_account",
    audience: fields.text("audience"),
    subjectTokenType: fields.text("subject_token_type"),
    tokenUrl: fields.secretUrl("token_url", STS_URL),
    impersonationUrl: impersonated ? fields.secretUrl("service_account_impersonation_url") : undefined,
    lifetimeSeconds: fields.has("service_account_impersonation")
      ? fields.child("service_account_impersonation").seconds("token_lifetime_seconds")
      : undefined,
    clientId: fields.optional("client_id"),
    clientSecret: secret === undefined ? undefined : new Secret(secret),
    userProject: fields.optional("workforce_pool_user_project"),
    source: subjectSource(fields.child("credential_source")),
  };
}

function subjectSource(source: Fields): SubjectSource {
  for (const name of ["executable", "certificate"]) {
    if (source.has(name)) {
      throw source.error(`"${name}" is not supported, expected "file", "url" or "environment_id"`);
    }
  }
  const environmentId = source.optional("environment_id");
  if (environmentId !== undefined) {
    if (environmentId !== "aws1") throw source.error('the field "environment_id" is not "aws1"');
    return {
      kind: "aws",
      environmentId,
      regionUrl: source.plainUrl("region_url"),
      credentialsUrl: source.plainUrl("url"),
      sessionTokenUrl: source.plainUrl("imdsv2_session_token_url"),
      verificationUrl: source.text("regional_cred_verification_url"),
    };
  }
  const field = source.has("format") ? subjectField(source.child("format")) : undefined;
  const path = source.optional("file");
  const url = source.plainUrl("url");
  if (path !== undefined && url === undefined) return { kind: "file", path, field };
  if (url !== undefined && path === undefined) {
    return { kind: "url", url, headers: source.has("headers") ? source.child("headers").texts() : {}, field };
  }
  throw source.error('expected one of the fields "file", "url" and "environment_id"');
}

function subjectField(format: Fields): string | undefined {
  const type = format.optional("type") ?? "text";
  if (type === "json") return format.text("subject_token_field_name");
  if (type === "text") return undefined;
  throw format.error('the field "type" is neither "text" nor "json"');
}

function impersonation(fields: Fields, what: string): Impersonation {
  const url = new URL(fields.secretUrl("service_account_impersonation_url"));
  const target = /\/v1\/projects\/-\/serviceAccounts\/([^/:]+):generateAccessToken$/.exec(url.pathname)?.[1];
  if (target === undefined) {
    throw fields.error('the field "service_account_impersonation_url" names no service account');
  }
  const source = parse(fields.child("source_credentials"), `${what} source_credentials`);
  if (source.type === "impersonated_service_account") {
    throw fields.error('the field "source_credentials" impersonates a service account itself');
  }
  return {
    type: "impersonated_service_account",
    target,
    endpoint: url.origin,
    delegates: fields.strings("delegates"),
    source,
  };
}

/** URLs that credentials are exchanged at, and files that they read. */
export interface CredentialNeeds {
  urls: readonly string[];
  paths: readonly string[];
}

/** What credentials need. */
export function needsOf(credentials: GoogleCredentials): CredentialNeeds {
  switch (credentials.type) {
    case "service_account":
    case "authorized_user":
      return { urls: [credentials.tokenUrl], paths: [] };
    case "impersonated_service_account": {
      const { urls, paths } = needsOf(credentials.source);
      return { urls: [...urls, credentials.endpoint], paths };
    }
    case "external_account": {
      const { tokenUrl, impersonationUrl, source } = credentials;
      const urls = source.kind === "file"
        ? []
        : source.kind === "url"
        ? [source.url]
        : [source.regionUrl, source.credentialsUrl, source.sessionTokenUrl];
      return {
        urls: [tokenUrl, impersonationUrl, ...urls].filter((url) => url !== undefined),
        paths: source.kind === "file" ? [source.path] : [],
      };
    }
  }
}
