/**
 * What the tests of Azure Blob Storage share: settings, a context, stores on canned replies, containers on azurite.
 * @module
 */
import { Secret, type StoreSettings } from "../../src/config/mod.ts";
import type { BackendContext } from "../../src/storage/backend.ts";
import { backend } from "../../src/storage/backends/azure/mod.ts";
import { sharedKey } from "../../src/storage/backends/azure/shared_key.ts";
import { Hmac } from "../../src/storage/cloud/hmac.ts";
import type { ObjectStore } from "../../src/storage/store.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import type { Loopback } from "./loopback.ts";

/** An account's key: base64, and no secret. */
export const KEY = btoa("a key of the tests, and no secret");
/** The name of the account at a {@linkcode Loopback}. */
export const ACCOUNT = "testaccount";

/** Settings of `stow.config`. */
export function azureSettings(values: Record<string, string>, key?: string): StoreSettings {
  return { kind: "azure", values, secrets: key === undefined ? {} : { key: new Secret(key) } };
}

/** What a backend is opened with. */
export function azureContext(parts: Partial<BackendContext> = {}): BackendContext {
  const { signal } = new AbortController();
  return { system: sys, env: {}, caCerts: [], allow: () => Promise.resolve(), signal, ...parts };
}

/** A container on a server with canned replies, with an account key. */
export function openAt(server: Loopback, parts: Partial<BackendContext> = {}): Promise<ObjectStore> {
  const settings = azureSettings({ base_url: `${server.url}/${ACCOUNT}` }, KEY);
  return backend.open(parseUri("abfs://box/", "the container"), settings, azureContext(parts));
}

/** Makes a container on azurite. @param endpoint URL of the account's blob service */
export async function makeContainer(endpoint: string, key: string, container: string): Promise<void> {
  const url = new URL(`${endpoint}/${container}`);
  const headers = [["x-ms-date", new Date().toUTCString()], ["x-ms-version", "2021-12-02"]] as const;
  const account = new URL(endpoint).pathname.slice(1);
  const part = {
    method: "PUT",
    path: url.pathname,
    query: [["restype", "container"]] as const,
    headers,
    length: 0,
  };
  const authorization = sharedKey(account, new Hmac(Uint8Array.fromBase64(key)), part);
  const reply = await fetch(`${url}?restype=container`, {
    method: "PUT",
    headers: [...headers.map(([name, value]): [string, string] => [name, value]), [
      "authorization",
      authorization,
    ]],
  });
  await reply.body?.cancel();
  if (!reply.ok) throw new Error(`Cannot create the container ${container}: status ${reply.status}`);
}
