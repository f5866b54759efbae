/**
 * What the settings of Google Cloud Storage mean: the endpoint, and where credentials come from.
 *
 * Pure, and apart from the backend, because the run's permissions follow from the same rules (reach.ts).
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

/** Where credentials come from. */
export type CredentialOrigin =
  | { kind: "anonymous" }
  /** The text itself, or a file that holds it. `from` names the setting. */
  | { kind: "text"; text: string; from: string }
  | { kind: "file"; path: string; from: string }
  /** Nothing is configured: a file of gcloud's where there is one, else the metadata server at `metadataUrl`. */
  | { kind: "ambient"; wellKnownPath: string | undefined; metadataUrl: string };

/** Which of the module's rules applies. */
export function credentialOrigin(settings: StoreSettings, env: Env): CredentialOrigin {
  if (googleEndpoint(settings, env).isAnonymous) return { kind: "anonymous" };
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
