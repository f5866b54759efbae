/**
 * Where the Kubernetes API is and who we are to it: the pod's service account, or a kubeconfig file.
 * @module
 */
import { Secret } from "../../../config/mod.ts";
import { cannot, from } from "../../../errors.ts";
import { makeOrigin, type ParsedUrl, parseHttpUrl } from "../../../http/origin.ts";
import type { Files } from "../../../system/mod.ts";
import type { WatcherContext } from "../../context.ts";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Far above any token, certificate bundle or kubeconfig. */
const MAX_BYTES = 1024 * 1024;

/** An API server and the right to ask it. */
export interface Cluster {
  server: ParsedUrl;
  /** PEM; trusted besides the system's. */
  caCerts: string[];
  namespace: string | null;
  /** Read again at every call: tokens expire and their files are replaced. Null for an anonymous user. */
  token(): Secret | null;
}

/**
 * The cluster that the command line or the pod names.
 *
 * @throws CopilotError `config` where there is no service account, or the kubeconfig cannot be used
 */
export async function clusterOf({ command, env, system: { files } }: WatcherContext): Promise<Cluster> {
  const { kubeconfig, context } = command.kube;
  if (kubeconfig === undefined) return inCluster(files, env);
  return await fromKubeconfig(files, { path: kubeconfig, context });
}

function readText(files: Files, path: string): string {
  return new TextDecoder().decode(files.readFile(path, MAX_BYTES)).trim();
}

function inCluster(files: Files, env: Readonly<Record<string, string>>): Cluster {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = Number(env["KUBERNETES_SERVICE_PORT"] ?? "443");
  const found = files.stat(`${ACCOUNT}/token`);
  if (host === undefined || host === "" || !Number.isInteger(port) || found === null) {
    throw cannot("ask the Kubernetes API", {
      config: (found === null
        ? `"${ACCOUNT}/token" is missing`
        : "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set") +
        `, expected a pod with "automountServiceAccountToken: true", or --kubeconfig`,
    });
  }
  return {
    server: { origin: makeOrigin(true, host, port), path: "/" },
    caCerts: files.stat(`${ACCOUNT}/ca.crt`) === null ? [] : [readText(files, `${ACCOUNT}/ca.crt`)],
    namespace: files.stat(`${ACCOUNT}/namespace`) === null ? null : readText(files, `${ACCOUNT}/namespace`),
    token: () => new Secret(readText(files, `${ACCOUNT}/token`)),
  };
}

interface Named {
  name?: unknown;
  [part: string]: unknown;
}

async function fromKubeconfig(
  files: Files,
  from: { path: string; context: string | undefined },
): Promise<Cluster> {
  const { path } = from;
  const config = await parseYaml(readText(files, path), path);
  const chosen = from.context ?? config["current-context"];
  const context = entry(config, { list: "contexts", name: chosen, part: "context", path });
  const cluster = entry(config, { list: "clusters", name: context["cluster"], part: "cluster", path });
  const user = entry(config, { list: "users", name: context["user"], part: "user", path });
  const refuse = ["exec", "auth-provider", "client-certificate", "client-certificate-data", "username"]
    .find((key) => user[key] !== undefined);
  if (refuse !== undefined || cluster["insecure-skip-tls-verify"] === true) {
    throw cannot("use kubeconfig", path, {
      unsupported: `${refuse ?? "insecure-skip-tls-verify"} is not supported, expected a token or tokenFile` +
        ` and a server with a certificate that can be checked`,
    });
  }
  return {
    server: parseHttpUrl(string(cluster["server"]) ?? "", `the server of kubeconfig "${path}"`),
    caCerts: certificates(files, cluster, path),
    namespace: string(context["namespace"]),
    token: tokenOf(files, user, path),
  };
}

async function parseYaml(text: string, path: string): Promise<Record<string, unknown>> {
  const { parse } = await import("../../../packages/yaml.ts");
  let value: unknown;
  try {
    // Without aliases a small file stays small.
    value = parse(text, { maxAliasCount: 0, logLevel: "error" });
  } catch (thrown) {
    throw from(thrown, { action: "parse kubeconfig", object: path, fallback: "config" });
  }
  if (!isRecord(value)) {
    throw cannot("use kubeconfig", path, { config: "not a mapping" });
  }
  return value;
}

function entry(
  config: Record<string, unknown>,
  wanted: { list: string; name: unknown; part: string; path: string },
): Record<string, unknown> {
  const list = config[wanted.list];
  const found = Array.isArray(list)
    ? (list as Named[]).find((one) => isRecord(one) && one.name === wanted.name)
    : undefined;
  const part = found?.[wanted.part];
  if (isRecord(part)) return part;
  throw cannot("use kubeconfig", wanted.path, {
    config: `its ${wanted.list} hold no "${String(wanted.name)}"`,
  });
}

function certificates(files: Files, cluster: Record<string, unknown>, path: string): string[] {
  const data = string(cluster["certificate-authority-data"]);
  if (data !== null) {
    return [new TextDecoder().decode(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)))];
  }
  const file = string(cluster["certificate-authority"]);
  return file === null ? [] : [readText(files, beside(path, file))];
}

function tokenOf(files: Files, user: Record<string, unknown>, path: string): () => Secret | null {
  const file = string(user["tokenFile"]);
  if (file !== null) return () => new Secret(readText(files, beside(path, file)));
  const token = string(user["token"]);
  const secret = token === null ? null : new Secret(token);
  return () => secret;
}

/** Files that a kubeconfig names are relative to it. */
function beside(path: string, file: string): string {
  return file.startsWith("/") ? file : `${path.slice(0, path.lastIndexOf("/") + 1)}${file}`;
}

function string(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
