/**
 * What a store's URI means for the run's permissions: which hosts and which paths are needed to use it, and no more.
 *
 * Pure, and apart from the backends, so that permissions are known before any of their code is loaded.
 * @module
 */
import type { StoreSettings } from "../config/mod.ts";
import { cannot } from "../errors.ts";
import { azureNeeds } from "./backends/azure/settings.ts";
import { needsOf, parseGoogleCredentials } from "./backends/gcs/credential_file.ts";
import { type CredentialOrigin, credentialOrigin, googleEndpoint } from "./backends/gcs/settings.ts";
import { redisTarget } from "./backends/redis/settings.ts";
import { hostPermission } from "./host_name.ts";
import type { StoreUri } from "./uri.ts";

/** Hosts (`name`, `name:port`, `*.domain`, addresses) and absolute paths. */
export interface Reach {
  hosts: string[];
  paths: string[];
}

type Env = Readonly<Record<string, string>>;

/** The addresses that hand out credentials inside a cloud; only for stores whose credentials come from there. */
const METADATA_HOSTS = [
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "[fd00:ec2::254]",
  "[fd00:ec2::23]",
];

/** Where Google's credential files are exchanged for tokens, unless they say otherwise. */
const GOOGLE_TOKEN_HOSTS = [
  "oauth2.googleapis.com:443",
  "sts.googleapis.com:443",
  "iamcredentials.googleapis.com:443",
];

const AWS_HOSTS = ["*.amazonaws.com", "*.amazonaws.com.cn", "*.api.aws"];

/** What reach is worked out from. */
export interface ReachContext {
  env: Env;
  /** What a relative path is relative to. */
  cwd: string;
  /** The text of a credential file, which may name hosts and files itself; null where it cannot be read. */
  readText?(path: string): string | null;
}

/** What is needed to use the container that a URI names. */
export function reachOf(uri: StoreUri, settings: StoreSettings, context: ReachContext): Reach {
  const { env, cwd } = context;
  if (settings.kind === "local" && uri.scheme !== "file") {
    return { hosts: [], paths: [absolute(settings.values.path ?? "", cwd)] };
  }
  switch (uri.scheme) {
    case "file":
      return { hosts: [], paths: [absolute(uri.key, cwd)] };
    case "mem":
      return { hosts: [], paths: [] };
    case "http":
    case "https":
      return { hosts: [...hostOf(`${uri.scheme}://${uri.container}`), ...proxyHosts(env)], paths: [] };
    case "redis":
    case "rediss":
      return redisStore(uri, settings);
    case "gs":
      return googleStore(settings, context);
    case "abfs":
    case "abfss":
      return azureStore(uri, settings, context);
    default:
      return objectStore(uri, settings, context);
  }
}

function redisStore(uri: StoreUri, settings: StoreSettings): Reach {
  const { hostname, port } = redisTarget(uri, settings);
  return { hosts: [hostPermission(hostname, port)], paths: [] };
}

function googleStore(settings: StoreSettings, context: ReachContext): Reach {
  const { env } = context;
  const { hosts, paths } = googleCredentials(credentialOrigin(settings, env), context);
  const all = [...hostOf(googleEndpoint(settings, env).url), ...hosts, ...proxyHosts(env)];
  return { hosts: [...new Set(all)], paths };
}

function googleCredentials(origin: CredentialOrigin, { cwd, readText }: ReachContext): Reach {
  if (origin.kind === "anonymous") return { hosts: [], paths: [] };
  if (origin.kind === "text") return googleFile(origin.text, cwd);
  const path = origin.kind === "file" ? origin.path : origin.wellKnownPath;
  const text = path === undefined ? null : readText?.(path) ?? null;
  const paths = path === undefined ? [] : [absolute(path, cwd)];
  if (text === null && origin.kind === "ambient") return { hosts: hostOf(origin.metadataUrl), paths };
  const reach = text === null ? { hosts: GOOGLE_TOKEN_HOSTS, paths: [] } : googleFile(text, cwd);
  return { hosts: reach.hosts, paths: [...paths, ...reach.paths] };
}

/** What a credential file names. One that cannot be used needs nothing: the store says what is wrong with it. */
function googleFile(text: string, cwd: string): Reach {
  try {
    const { urls, paths } = needsOf(parseGoogleCredentials(text, "a credential file"));
    return { hosts: urls.flatMap(hostOf), paths: paths.map((path) => absolute(path, cwd)) };
  } catch {
    return { hosts: [], paths: [] };
  }
}

function azureStore(uri: StoreUri, settings: StoreSettings, { env, cwd }: ReachContext): Reach {
  const { urls, paths } = azureNeeds(uri, settings, env);
  const hosts = [...urls.flatMap(hostOf), ...proxyHosts(env)];
  return { hosts: [...new Set(hosts)], paths: paths.map((path) => absolute(path, cwd)) };
}

function objectStore(uri: StoreUri, settings: StoreSettings, { env, cwd, readText }: ReachContext): Reach {
  const endpoint = settings.values.endpoint ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL ?? "";
  const hosts = [...(endpoint === "" ? AWS_HOSTS : hostOf(endpoint)), ...proxyHosts(env)];
  const paths: string[] = [];
  const isAmbient = uri.scheme === "s3" && settings.values.auth_type !== "accesskey" &&
    (settings.values.auth_type === "iam" || !settings.values.access_key_id);
  if (isAmbient) {
    hosts.push(...METADATA_HOSTS, ...AWS_HOSTS);
    for (
      const name of [
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_ENDPOINT_URL_STS",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
      ]
    ) {
      if (env[name]) hosts.push(...hostOf(env[name]));
    }
    for (const name of ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) {
      if (env[name]) paths.push(env[name]);
    }
    const shared = [
      env.AWS_SHARED_CREDENTIALS_FILE || `${env.HOME ?? ""}/.aws/credentials`,
      env.AWS_CONFIG_FILE || `${env.HOME ?? ""}/.aws/config`,
    ];
    const named = shared.flatMap((path) => tokenFiles(readText?.(path) ?? ""));
    paths.push(...[...shared, ...named].map((path) => absolute(path, cwd)));
  }
  return { hosts: [...new Set(hosts)], paths };
}

/** Files that the profiles of a shared file name. */
function tokenFiles(text: string): string[] {
  return [...text.matchAll(/^\s*web_identity_token_file\s*=\s*(\S+)\s*$/gim)].map(([, path]) => path!);
}

function proxyHosts(env: Env): string[] {
  return ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"].flatMap((name) =>
    env[name] ? hostOf(env[name]) : []
  );
}

/** `host:port` of a URL or of a bare host, with the scheme's port where none is given. */
function hostOf(text: string): string[] {
  const url = URL.parse(text.includes("://") ? text : `https://${text}`);
  if (url === null) {
    // The text may hold a password, so it is not repeated.
    throw cannot("use the address of a host, endpoint or proxy", { config: "it is not a URL" });
  }
  const port = url.port !== "" ? url.port : url.protocol === "http:" ? "80" : "443";
  return [hostPermission(url.hostname, port)];
}

function absolute(path: string, cwd: string): string {
  return path.startsWith("/") ? path : `${cwd}/${path}`;
}

/** Names and addresses outside the link-local ranges where clouds hand out a machine's credentials. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "metadata",
  "metadata.goog",
  "metadata.google.internal",
  "instance-data",
  "instance-data.ec2.internal",
]);

/** 169.254.0.0/16 as it is, and within IPv6: mapped, compatible, translated (RFC 4291, RFC 6052); fe80::/10. */
const LINK_LOCAL = /^(?:169\.254\.|::(?:ffff:)?a9fe:|::ffff:169\.254\.|64:ff9b::a9fe:|fe[89ab][0-9a-f]:)/;

/**
 * Whether an address belongs to a link-local or cloud metadata range, which an input's URL must not reach.
 *
 * @param host as the URL parser gives it, which knows `2852039166` and `0xa9.254.169.254` for what they are
 */
export function isLinkLocal(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
  return LINK_LOCAL.test(name) || METADATA_NAMES.has(name);
}

/** The host that a URI names, in its one spelling, which only URLs of http have. @throws CopilotError `config` where there is none */
export function hostnameOf(uri: StoreUri): string {
  const [host] = hostOf(`http://${uri.container}`);
  return host!.replace(/:[0-9]+$/, "");
}
