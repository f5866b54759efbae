/**
 * Secrets that a setting names a file for.
 * @module
 */
import { CopilotError, explain } from "../errors.ts";
import type { Files } from "../system/mod.ts";
import { Secret } from "./secret.ts";
import type { StorageConfig, StoreSettings } from "./settings.ts";

/** A key is a line; whatever is larger was named by mistake. */
const MAX_SECRET_BYTES = 64 * 1024;

/**
 * Replaces `secret_key_path` by the `secret_key` that the file holds, blanks and line breaks around it cut off. A key that is
 * also given directly gives way: the file is what an operator mounts over a chart's defaults.
 *
 * The file is read before the run starts, so that the run's Worker needs no permission for it and its log masks what it says.
 *
 * @throws CopilotError `config` for a file that cannot be read, is empty, or is no text
 */
export function readSecretFiles(config: StorageConfig, files: Pick<Files, "readFile">): StorageConfig {
  const schemes = Object.entries(config.schemes).map((
    [scheme, settings],
  ) => [scheme, withSecret(settings, files)]);
  return { ...config, primary: withSecret(config.primary, files), schemes: Object.fromEntries(schemes) };
}

function withSecret(settings: StoreSettings, files: Pick<Files, "readFile">): StoreSettings {
  const { secret_key_path: path, ...values } = settings.values;
  if (!path) return settings;
  const secrets = { ...settings.secrets, secret_key: new Secret(readSecret(path, files)) };
  return { ...settings, values, secrets };
}

function readSecret(path: string, files: Pick<Files, "readFile">): string {
  const refuse = (what: string, cause?: unknown) =>
    new CopilotError("config", { action: "read the secret_key_path", object: path, detail: what, cause });
  let bytes: Uint8Array;
  try {
    bytes = files.readFile(path, MAX_SECRET_BYTES);
  } catch (thrown) {
    throw refuse(explain(thrown), thrown);
  }
  const text = new TextDecoder().decode(bytes).trim();
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw refuse("expected one line with the secret access key");
}
