/**
 * What the settings of Google Cloud Storage mean: the endpoint, and where credentials come from.
 *
 * Pure, for the store and for the run's permissions.
 *
 * Credentials are those of the first of these that is set, and no other is tried in its place:
 *  1. none at all, where STORAGE_EMULATOR_HOST names the endpoint
 *  2. `storage.stow.config json`: the text of a credential file
 *  3. GOOGLE_APPLICATION_CREDENTIALS: the path of one
 *  4. `~/.config/gcloud/application_default_credentials.json`, where it exists
 *  5. the metadata server (GKE workload identity, Compute Engine)
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import { parseHttpUrl } from "../../../http/origin.ts";
import type { PermissionContext, Permissions } from "../../backend.ts";
import { permissionsFor } from "../../cloud/permissions.ts";
import type { StoreUri } from "../../uri.ts";
import {
  type CredentialNeeds,
  needsOf,
  parseGoogleCredentials,
  STS_URL,
  TOKEN_URL,
  UNIVERSE,
} from "./credential_file.ts";

type Env = Readonly<Record<string, string>>;

/** The server of Google Cloud Storage. */
export const GOOGLE_ENDPOINT = "https://storage.googleapis.com";

/** Reading and writing of objects, and nothing more. */
export const DEFAULT_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";

/**
 * The metadata server by its address, not by its name: the name depends on a DNS that is slow while a node starts, and
 * would be sent to a proxy.
 */
const METADATA_HOST = "169.254.169.254";

/** Where the store is. */
export interface GoogleEndpoint {
  url: string;
  /** The setting that it came from, for messages. */
  from: string;
  /** Requests go without credentials. */
  isAnonymous: boolean;
}

/** The endpoint: `endpoint` of the settings, else STORAGE_EMULATOR_HOST, else Google's. */
export function googleEndpoint(settings: StoreSettings, env: Env): GoogleEndpoint {
  const configured = settings.values.endpoint;
  if (configured) {
    return {
      url: withScheme(configured, "https"),
      from: "the endpoint (storage.stow.config endpoint)",
      isAnonymous: false,
    };
  }
  const emulator = env.STORAGE_EMULATOR_HOST;
  if (emulator) {
    return { url: withScheme(emulator, "http"), from: "STORAGE_EMULATOR_HOST", isAnonymous: true };
  }
  return { url: GOOGLE_ENDPOINT, from: "the endpoint", isAnonymous: false };
}

function withScheme(text: string, scheme: string): string {
  return text.includes("://") ? text : `${scheme}://${text}`;
}

/**
 * The project that pays for requests: the one of `project_id` or GOOGLE_CLOUD_PROJECT with `request_payer=requester`, else the
 * bucket's own.
 *
 * @throws CopilotError `config` for another payer, or without a project
 */
export function payingProject({ values }: StoreSettings, env: Env): string | undefined {
  const payer = values.request_payer ?? "";
  if (payer === "") return undefined;
  const refuse = (config: string) => cannot("use storage.stow.config request_payer", payer, { config });
  if (payer !== "requester") throw refuse("expected requester");
  const project = values.project_id || env.GOOGLE_CLOUD_PROJECT;
  if (!project) throw refuse("nobody is named to pay, expected project_id beside it or GOOGLE_CLOUD_PROJECT");
  return project;
}

/** Throws CopilotError `unsupported` for another universe than Google's own: its addresses and tokens are others. */
function assertOwnUniverse({ GOOGLE_CLOUD_UNIVERSE_DOMAIN: domain }: Env): void {
  if (!domain || domain === UNIVERSE) return;
  throw cannot("use GOOGLE_CLOUD_UNIVERSE_DOMAIN", domain, { unsupported: `expected ${UNIVERSE}, or none` });
}

/** Where credentials come from. */
export type CredentialOrigin =
  | { kind: "anonymous" }
  /** The text itself, or a file that holds it. `from` names the setting. */
  | { kind: "text"; text: string; from: string }
  | { kind: "file"; path: string; from: string }
  /** Nothing is configured: a file of gcloud's where there is one, else the metadata server at `metadataUrl`. */
  | { kind: "ambient"; wellKnownPath: string | undefined; metadataUrl: string };

/** Which of the module's rules applies. @throws CopilotError `unsupported` for another universe */
export function credentialOrigin(settings: StoreSettings, env: Env): CredentialOrigin {
  if (googleEndpoint(settings, env).isAnonymous) return { kind: "anonymous" };
  assertOwnUniverse(env);
  const text = settings.secrets.json?.reveal() ?? "";
  if (text.trim() !== "") return { kind: "text", text, from: "storage.stow.config json" };
  const path = env.GOOGLE_APPLICATION_CREDENTIALS;
  if (path) return { kind: "file", path, from: "GOOGLE_APPLICATION_CREDENTIALS" };
  return {
    kind: "ambient",
    wellKnownPath: env.HOME ? `${env.HOME}/.config/gcloud/application_default_credentials.json` : undefined,
    metadataUrl: withScheme(env.GCE_METADATA_HOST || METADATA_HOST, "http"),
  };
}

/** Scopes of the tokens: those configured, separated by commas or spaces, else {@linkcode DEFAULT_SCOPE}. */
export function scopesOf(settings: StoreSettings): string[] {
  const scopes = (settings.values.scopes ?? "").split(/[\s,]+/).filter((scope) => scope !== "");
  return scopes.length === 0 ? [DEFAULT_SCOPE] : scopes;
}

/** Where credential files are exchanged for tokens, unless they say otherwise. */
const TOKEN_URLS = [TOKEN_URL, STS_URL, "https://iamcredentials.googleapis.com"];

/**
 * The permissions for a bucket: its endpoint, and what its credentials are exchanged at. A credential file that cannot be used
 * needs nothing: the store says what is wrong with it.
 */
export function requiredPermissions(
  _uri: StoreUri,
  settings: StoreSettings,
  context: PermissionContext,
): Permissions {
  const { url, from } = googleEndpoint(settings, context.env);
  const { urls, paths } = credentialNeeds(credentialOrigin(settings, context.env), context);
  const origins = [
    parseHttpUrl(url, from).origin,
    ...urls.map((one) => parseHttpUrl(one, "the address that tokens are from").origin),
  ];
  return permissionsFor({ origins, paths }, context);
}

function credentialNeeds(origin: CredentialOrigin, { readText }: PermissionContext): CredentialNeeds {
  if (origin.kind === "anonymous") return { urls: [], paths: [] };
  if (origin.kind === "text") return fileNeeds(origin.text);
  const path = origin.kind === "file" ? origin.path : origin.wellKnownPath;
  const paths = path === undefined ? [] : [path];
  const text = path === undefined ? null : readText?.(path) ?? null;
  if (text === null) return { urls: origin.kind === "ambient" ? [origin.metadataUrl] : TOKEN_URLS, paths };
  const needs = fileNeeds(text);
  return { urls: needs.urls, paths: [...paths, ...needs.paths] };
}

function fileNeeds(text: string): CredentialNeeds {
  try {
    return needsOf(parseGoogleCredentials(text, "a credential file"));
  } catch {
    return { urls: [], paths: [] };
  }
}
