/**
 * What must never show in a log line or an error document.
 * @module
 */
import { SECRET_VARIABLES } from "./environment.ts";
import type { StorageConfig } from "./settings.ts";

/** The parts of AZURE_STORAGE_CONNECTION_STRING that are sent by themselves. */
const CONNECTION_SECRETS = /(?:AccountKey|SharedAccessSignature)\s*=\s*([^;\s]+)/gi;

/**
 * Every secret value that is known when a run starts, for the masker of log lines and error documents. Includes the
 * private key within a service account's JSON, `storage.connection`'s access key, and the passwords in addresses, those of
 * proxies among them, also where the address is none that can be used.
 */
export function secretValues(config: StorageConfig, env: Readonly<Record<string, string>>): string[] {
  const found = new Set<string>();
  const stores = [config.primary, ...Object.values(config.schemes)];
  for (const { secrets } of stores) {
    for (const secret of Object.values(secrets)) {
      const value = secret.reveal();
      found.add(value);
      for (const key of value.match(/-----BEGIN [^"]+/g) ?? []) found.add(key);
    }
  }
  const accessKey = config.type === "s3" ? config.primary.values["access_key_id"] : undefined;
  if (accessKey !== undefined) found.add(accessKey);
  for (const name of SECRET_VARIABLES) found.add(env[name] ?? "");
  for (const name of SECRET_VARIABLES.filter((one) => one.endsWith("_HEADERS"))) {
    for (const pair of (env[name] ?? "").split(",")) found.add(pair.slice(pair.indexOf("=") + 1).trim());
  }
  for (const [, part] of (env.AZURE_STORAGE_CONNECTION_STRING ?? "").matchAll(CONNECTION_SECRETS)) {
    found.add(part!);
  }
  const addresses = [...Object.values(env), ...stores.flatMap(({ values }) => Object.values(values))];
  for (const address of addresses) for (const password of passwordsOf(address)) found.add(password);
  found.delete("");
  return [...found];
}

/** What stands between user and host in an address, as it is written and decoded. */
function passwordsOf(address: string): string[] {
  const at = address.lastIndexOf("@");
  const start = address.indexOf("://");
  const user = address.slice(start < 0 ? 0 : start + 3, Math.max(at, 0));
  const colon = user.indexOf(":");
  if (at < 0 || colon < 0) return [];
  const password = user.slice(colon + 1);
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
