/**
 * What settings say of a store before anything is asked of it: where it is, and whose credentials are used.
 *
 * Pure.
 * @module
 */
import type { StoreSettings } from "../config/mod.ts";
import { type Origin, parseHttpUrl } from "../http/origin.ts";
import { azureAddress, azureCredential } from "../storage/backends/azure/settings.ts";
import { credentialOrigin as googleCredential, googleEndpoint } from "../storage/backends/gcs/settings.ts";
import { backendOf } from "../storage/backends/mod.ts";
import { credentialOrigin as s3Credential } from "../storage/backends/s3/credential_origin.ts";
import { bucketAddress } from "../storage/backends/s3/settings.ts";
import type { StoreUri } from "../storage/uri.ts";

type Env = Readonly<Record<string, string>>;

/** See the module. */
export interface StoreFacts {
  /** The server; null for stores that do not speak HTTP. */
  origin: Origin | null;
  /** Where credentials come from, in words; null for stores without any. */
  credentials: string | null;
}

/**
 * The facts about the container that a URI names.
 *
 * @throws CopilotError `config` for settings that cannot work
 */
export function storeFacts(uri: StoreUri, settings: StoreSettings, env: Env): StoreFacts {
  switch (backendOf(uri, settings)) {
    case "s3":
      return { origin: bucketAddress(uri, settings, env).origin, credentials: s3Source(settings, env) };
    case "gcs": {
      const { url, from } = googleEndpoint(settings, env);
      return { origin: parseHttpUrl(url, from).origin, credentials: googleSource(settings, env) };
    }
    case "azure": {
      const { account, origin } = azureAddress(uri, settings, env);
      return { origin, credentials: azureCredential(account, settings, env).from };
    }
    case "redis":
      return {
        origin: null,
        credentials: settings.secrets["password"] === undefined ? "none" : "the password of the settings",
      };
    case "http":
      return {
        origin: parseHttpUrl(`${uri.scheme}://${uri.container}`, "the URI").origin,
        credentials: null,
      };
    default:
      return { origin: null, credentials: null };
  }
}

function s3Source(settings: StoreSettings, env: Env): string {
  const source = s3Credential(settings, env);
  switch (source.kind) {
    case "settings":
      return "access_key_id and secret_key of the settings";
    case "profile":
      return `the profile "${source.name}" (AWS_PROFILE)`;
    case "environment":
      return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    case "web-identity":
      return `the web identity of AWS_WEB_IDENTITY_TOKEN_FILE (${source.tokenFile}), role ${
        env["AWS_ROLE_ARN"] ?? "not set"
      }`;
    case "container":
      return "the container's endpoint (AWS_CONTAINER_CREDENTIALS_…)";
    case "ambient":
      return "the profile default of the shared files where there is one, else the instance's metadata service";
  }
}

function googleSource(settings: StoreSettings, env: Env): string {
  const source = googleCredential(settings, env);
  switch (source.kind) {
    case "anonymous":
      return "none (an emulator)";
    case "text":
      return source.from;
    case "file":
      return `${source.from} (${source.path})`;
    case "ambient":
      return "gcloud's own file where there is one, else the metadata server";
  }
}
