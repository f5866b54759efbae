/**
 * What the settings of Azure Blob Storage mean: the address of a container, and where credentials come from.
 *
 * Pure, for the store and for the run's permissions.
 *
 * Credentials are those of the first of these that is set, and no other is tried in its place:
 *  1. `storage.stow.config auth_type=anonymous`: none at all
 *  2. `storage.stow.config key`: the key of the configured account
 *  3. AZURE_STORAGE_CONNECTION_STRING: of the account that it names
 *  4. AZURE_STORAGE_KEY, 5. AZURE_STORAGE_SAS_TOKEN: of AZURE_STORAGE_ACCOUNT where that is set
 *  6. AZURE_FEDERATED_TOKEN_FILE: workload identity, which AKS sets up with AZURE_CLIENT_ID and AZURE_TENANT_ID
 *  7. AZURE_CLIENT_SECRET: a service principal, with the same two
 *  8. IDENTITY_ENDPOINT and IDENTITY_HEADER: managed identity of App Service and Container Apps
 *  9. the instance metadata service: managed identity of a node; AZURE_CLIENT_ID picks one of several
 *
 * Refused by name where they would be the first: AZURE_CLIENT_CERTIFICATE_PATH, and the managed identities of Service Fabric
 * (IDENTITY_SERVER_THUMBPRINT), Azure Arc (IMDS_ENDPOINT) and older hosts (MSI_ENDPOINT).
 *
 * A key or SAS belongs to one account: a URI that names another one (`abfs://c@other.dfs…`) never sees it.
 * @module
 */
import { Secret, type StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import { makeOrigin, type Origin, parseHttpUrl } from "../../../http/origin.ts";
import type { PermissionContext, Permissions } from "../../backend.ts";
import { permissionsFor } from "../../cloud/permissions.ts";
import { formatUri, type StoreUri } from "../../uri.ts";
import { connectionString } from "./connection_string.ts";
import { shownUri } from "../../../text/shown_uri.ts";
import { before, trimEnd } from "../../../text/trim.ts";

type Env = Readonly<Record<string, string>>;

/** The domain of the public cloud. */
const DEFAULT_SUFFIX = "core.windows.net";
/**
 * Domains under which Microsoft alone gives out names. A host out of a URI must lie below one of them, or below the configured
 * one: a URI may come from an input, and a token must not go to whoever wrote it.
 */
const AZURE_SUFFIXES = [
  DEFAULT_SUFFIX,
  "core.chinacloudapi.cn",
  "core.usgovcloudapi.net",
  "storage.azure.net",
];
/** Where tokens of the public cloud come from. */
const DEFAULT_AUTHORITY = "https://login.microsoftonline.com";
/** The instance metadata service, whose address is the same in every cloud. */
export const IMDS_URL = "http://169.254.169.254/metadata/identity/oauth2/token";

/** `$root`, `$web` and `$logs` are the service's own. */
const CONTAINER = /^(?:\$(?:root|web|logs)|[a-z0-9](?:-?[a-z0-9]){2,62})$/;
const ACCOUNT = /^[a-z0-9]{3,24}$/;

/** A container's address. */
export interface AzureAddress {
  account: string;
  container: string;
  origin: Origin;
  /** The container's path, without a slash at its end. */
  base: string;
}

/**
 * The address of the container that a URI names.
 *
 * `base_url` is the URL of the account's blob service (`http://127.0.0.1:10000/devstoreaccount1` for azurite) or, as the
 * original has it, another name of `domain_suffix`.
 *
 * @throws CopilotError `config` where no account is known or the endpoint is no URL, `input` for a container that cannot exist,
 * `denied` for a host that is not Azure's
 */
export function azureAddress(uri: StoreUri, settings: StoreSettings, env: Env): AzureAddress {
  const object = shownUri(formatUri({ ...uri, key: "" }));
  const { container } = uri;
  if (!CONTAINER.test(container) || container.length > 63) {
    throw cannot("use", object, {
      input:
        `its container is no container's name, expected 3 to 63 lower-case letters, digits and single hyphens`,
    });
  }
  const connection = connectionString(env);
  const configured = settings.values.account || env.AZURE_STORAGE_ACCOUNT || connection?.account || "";
  const named = uri.host === "" ? null : hostAddress(uri.host, settings, object);
  const account = named?.account ?? configured;
  const own = connection?.account === account ? connection : null;
  const baseUrl = settings.values.base_url || (named === null && own?.blobEndpoint) || "";
  if (baseUrl.includes("://")) {
    return endpointAddress(baseUrl, { account, configured, container, object });
  }
  if (!ACCOUNT.test(account)) {
    const why = account === "" ? "it names no account" : `the account "${account}" cannot exist`;
    throw cannot("use", object, {
      config:
        `${why}, expected account in storage.stow.config, AZURE_STORAGE_ACCOUNT, or abfs://CONTAINER@ACCOUNT.dfs.${DEFAULT_SUFFIX}/KEY`,
    });
  }
  const host = named?.host ?? `${account}.blob.${suffixOf(settings, own?.suffix)}`;
  return { account, container, origin: makeOrigin(true, host, 443), base: `/${container}` };
}

function suffixOf({ values }: StoreSettings, fallback = DEFAULT_SUFFIX): string {
  const baseUrl = values.base_url ?? "";
  return values.domain_suffix || (baseUrl.includes("://") ? "" : baseUrl) || fallback;
}

/** The blob service of the account in `account.dfs.core.windows.net`, DNS zones (`account.z01.dfs.…`) included. */
function hostAddress(
  text: string,
  settings: StoreSettings,
  object: string,
): { account: string; host: string } {
  const host = text.toLowerCase();
  const match = /^([a-z0-9]{3,24})(\.z[0-9]{1,3})?\.(?:dfs|blob)\.([a-z0-9.-]+)$/.exec(host);
  if (match !== null && [...AZURE_SUFFIXES, suffixOf(settings)].includes(match[3]!)) {
    return { account: match[1]!, host: `${match[1]!}${match[2] ?? ""}.blob.${match[3]!}` };
  }
  throw cannot("use", object, {
    denied: `the host "${shownUri(text)}" is not an Azure storage account's, expected ACCOUNT.dfs.${
      suffixOf(settings)
    }`,
  });
}

function endpointAddress(
  baseUrl: string,
  { account, configured, container, object }: Record<
    "account" | "configured" | "container" | "object",
    string
  >,
): AzureAddress {
  const { origin, path } = parseHttpUrl(baseUrl, "the endpoint (storage.stow.config base_url)");
  const root = trimEnd(before(path, "?"), "/");
  const own = configured || root.slice(root.lastIndexOf("/") + 1) || origin.hostname.split(".")[0]!;
  if (account !== "" && account !== own) {
    throw cannot("use", object, {
      config:
        `storage.stow.config base_url is the endpoint of the account "${own}", and the URI names "${account}"`,
    });
  }
  return { account: own, container, origin, base: `${root}/${container}` };
}

/** Where credentials come from. `from` names the setting, for messages. */
export type AzureCredential =
  | { kind: "anonymous"; from: string }
  | { kind: "key"; key: Secret; from: string }
  | { kind: "sas"; token: Secret; from: string }
  /** A token file (`tokenFile`) or a secret, exchanged at `url`. */
  | {
    kind: "application";
    url: string;
    clientId: string;
    proof: { tokenFile: string } | { secret: Secret };
    from: string;
  }
  /** Without `header` it is the instance metadata service. */
  | {
    kind: "identity";
    url: string;
    clientId: string | undefined;
    header: Secret | undefined;
    from: string;
  };

/**
 * Which of the module's rules applies to an account.
 *
 * @throws CopilotError `config` for a provider that is configured in part
 */
export function azureCredential(account: string, settings: StoreSettings, env: Env): AzureCredential {
  const kind = settings.values.auth_type ?? "";
  if (kind === "anonymous") return { kind: "anonymous", from: "storage.stow.config auth_type" };
  const key = settings.secrets.key;
  const isOwn = (settings.values.account || env.AZURE_STORAGE_ACCOUNT || account) === account;
  if (key !== undefined && key.reveal() !== "" && isOwn) {
    return { kind: "key", key, from: "storage.stow.config key" };
  }
  const connection = connectionString(env);
  if (connection?.account === account) {
    const from = "AZURE_STORAGE_CONNECTION_STRING";
    if (connection.key !== undefined) return { kind: "key", key: connection.key, from };
    return { kind: "sas", token: connection.sas!, from };
  }
  const isEnvs = (env.AZURE_STORAGE_ACCOUNT || account) === account;
  if (env.AZURE_STORAGE_KEY && isEnvs) {
    return { kind: "key", key: new Secret(env.AZURE_STORAGE_KEY), from: "AZURE_STORAGE_KEY" };
  }
  if (env.AZURE_STORAGE_SAS_TOKEN && isEnvs) {
    return { kind: "sas", token: new Secret(env.AZURE_STORAGE_SAS_TOKEN), from: "AZURE_STORAGE_SAS_TOKEN" };
  }
  return applicationCredential(env) ?? identityCredential(env);
}

function applicationCredential(env: Env): AzureCredential | null {
  const [tokenFile, secret] = [env.AZURE_FEDERATED_TOKEN_FILE, env.AZURE_CLIENT_SECRET];
  if (!tokenFile && !secret) {
    if (!env.AZURE_CLIENT_CERTIFICATE_PATH) return null;
    throw cannot("use AZURE_CLIENT_CERTIFICATE_PATH", {
      unsupported:
        "certificates are not supported, expected AZURE_FEDERATED_TOKEN_FILE or AZURE_CLIENT_SECRET",
    });
  }
  const from = tokenFile
    ? "the workload identity of AZURE_FEDERATED_TOKEN_FILE"
    : "the service principal of AZURE_CLIENT_SECRET";
  const missing = ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"].filter((name) => !env[name]);
  if (missing.length > 0) {
    throw cannot(`use ${from}`, { config: `${missing.join(" and ")} not set` });
  }
  if (!/^[A-Za-z0-9.-]+$/.test(env.AZURE_TENANT_ID!)) {
    throw cannot("use AZURE_TENANT_ID", env.AZURE_TENANT_ID!, { config: "expected an id or a domain" });
  }
  const authority = trimEnd(env.AZURE_AUTHORITY_HOST || DEFAULT_AUTHORITY, "/");
  const url = `${authority}/${env.AZURE_TENANT_ID}/oauth2/v2.0/token`;
  const { origin } = parseHttpUrl(url, "AZURE_AUTHORITY_HOST");
  if (!isPrivate(origin)) {
    throw cannot("use AZURE_AUTHORITY_HOST", origin.key, { config: "expected https://…" });
  }
  const proof = tokenFile ? { tokenFile } : { secret: new Secret(secret!) };
  return { kind: "application", url, clientId: env.AZURE_CLIENT_ID!, proof, from };
}

/** Managed identities with protocols of their own, by the variable that tells them. */
const FOREIGN_IDENTITIES = [
  ["IDENTITY_SERVER_THUMBPRINT", "the managed identity of Service Fabric"],
  ["IMDS_ENDPOINT", "the managed identity of Azure Arc"],
  ["MSI_ENDPOINT", "the older protocol of managed identity"],
] as const;

function identityCredential(env: Env): AzureCredential {
  const [url, header] = [env.IDENTITY_ENDPOINT, env.IDENTITY_HEADER];
  const clientId = env.AZURE_CLIENT_ID || undefined;
  const foreign = FOREIGN_IDENTITIES.find(([name]) => env[name] && (name !== "MSI_ENDPOINT" || !url));
  if (foreign !== undefined) {
    throw cannot(`use ${foreign[0]}`, {
      unsupported: `${
        foreign[1]
      } is not supported, expected AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_SECRET or a key`,
    });
  }
  if (url && header) {
    const from = "the managed identity of IDENTITY_ENDPOINT";
    return { kind: "identity", url, clientId, header: new Secret(header), from };
  }
  if (url || header) {
    const missing = url ? "IDENTITY_HEADER" : "IDENTITY_ENDPOINT";
    throw cannot("use the managed identity of IDENTITY_ENDPOINT", { config: `${missing} not set` });
  }
  const from =
    "the instance metadata service (storage.stow.config key, AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY, " +
    "AZURE_STORAGE_SAS_TOKEN, AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_SECRET and IDENTITY_ENDPOINT are not set for this account)";
  return { kind: "identity", url: IMDS_URL, clientId, header: undefined, from };
}

/** Whether what is sent there can be read on the way. */
export function isPrivate({ secure, hostname }: Origin): boolean {
  return secure || hostname === "localhost" || hostname === "::1" || /^127\./.test(hostname);
}

/** The permissions for a container: its account's host, and what leads to credentials. @throws CopilotError as {@linkcode azureAddress} */
export function requiredPermissions(
  uri: StoreUri,
  settings: StoreSettings,
  context: PermissionContext,
): Permissions {
  const { account, origin } = azureAddress(uri, settings, context.env);
  const credential = azureCredential(account, settings, context.env);
  const origins = [origin];
  if ("url" in credential) {
    origins.push(parseHttpUrl(credential.url, "the address that tokens are from").origin);
  }
  const paths = credential.kind === "application" && "tokenFile" in credential.proof
    ? [credential.proof.tokenFile]
    : [];
  return permissionsFor({ origins, paths }, context);
}
