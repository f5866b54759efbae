/**
 * What must never show in a log line or an error document.
 * @module
 */
import { PROXY_VARIABLES, SECRET_VARIABLES } from "./environment.ts";
import type { StorageConfig } from "./settings.ts";

/**
 * Every secret value that is known when a run starts, for the masker of log lines and error documents. Includes the
 * private key within a service account's JSON, `storage.connection`'s access key, and the password of a proxy's URL.
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
  for (const name of PROXY_VARIABLES) {
    found.add(/^[a-z]+:\/\/[^/]*:([^/]*)@/i.exec(env[name] ?? "")?.[1] ?? "");
  }
  found.delete("");
  return [...found];
}
