/**
 * Azure Blob Storage by its REST API (https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api), for accounts
 * with and without hierarchical namespace.
 *
 * Settings (`storage.stow.config`): `account`, `key`, `domain_suffix`, `base_url`, `auth_type` (only `anonymous`);
 * `upload_concurrency` is accepted and has no meaning, as the run's own budget decides. Credentials: see azure/settings.ts.
 *
 * No SDK: @azure/storage-blob asks for permissions that a run does not have and needs 140 MB for one page of a listing.
 * @module
 */
import { cannot } from "../../../errors.ts";
import { Secret, type StoreSettings } from "../../../config/mod.ts";
import {
  type AzureAddress,
  azureAddress,
  type AzureCredential,
  azureCredential,
  isPrivate,
} from "./settings.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { Hmac } from "../../cloud/hmac.ts";
import { clientFor, HttpClient } from "../../../http/client.ts";
import { formatUri, type StoreUri } from "../../uri.ts";
import { AzureStore } from "./store.ts";
import { tokensFor } from "./tokens.ts";
import { type Identity, Transport } from "./transport.ts";

/** A connection to where tokens are from is there at once, or is not to be had. */
const TOKEN_CONNECT_MS = 3_000;
const TOKEN_REPLY_MS = 20_000;

function openContainer(uri: StoreUri, settings: StoreSettings, context: BackendContext): AzureStore {
  const root = formatUri({ ...uri, key: "" }).slice(0, -1);
  const kind = settings.values.auth_type ?? "";
  if (kind !== "" && kind !== "anonymous") {
    throw cannot("use storage.stow.config auth_type", kind, {
      config: "expected anonymous, or none for the credentials that are configured",
    });
  }
  const address = azureAddress(uri, settings, context.env);
  const credential = azureCredential(address.account, settings, context.env);
  assertPrivate(root, address, credential);
  const identity = identityOf(credential, root, context);
  const { clock, randomHex } = context.system;
  const transport = new Transport({ address, credential, identity, http: clientFor(context), clock });
  return new AzureStore(root, transport, { randomHex, encrypted: address.origin.secure });
}

/** A signature cannot be used for anything else; a token or a SAS can, by whoever reads it on the way. */
function assertPrivate(object: string, { origin }: AzureAddress, { kind, from }: AzureCredential): void {
  if (kind === "key" || kind === "anonymous" || isPrivate(origin)) return;
  throw cannot("use", object, {
    config: `what comes from ${from} must not go over "${origin.key}" in the clear, expected https`,
  });
}

function identityOf(credential: AzureCredential, object: string, context: BackendContext): Identity {
  switch (credential.kind) {
    case "anonymous":
      return { kind: "anonymous" };
    case "key":
      return { kind: "key", hmac: new Hmac(decodeKey(credential)), secret: credential.key };
    case "sas":
      return { kind: "sas", query: sasQuery(credential) };
    default: {
      const { system, env, caCerts, signal } = context;
      const http = new HttpClient({
        network: system.network,
        clock: system.clock,
        env,
        caCerts,
        connectTimeoutMs: TOKEN_CONNECT_MS,
        headTimeoutMs: TOKEN_REPLY_MS,
      });
      signal.addEventListener("abort", () => http.close(), { once: true });
      return { kind: "token", tokens: tokensFor(credential, { http, system, object, signal }), http };
    }
  }
}

function decodeKey({ key, from }: { key: Secret; from: string }): Uint8Array {
  try {
    return Uint8Array.fromBase64(key.reveal().trim());
  } catch {
    // The parser's own words would show a part of the key.
    throw cannot(`use ${from}`, {
      config: "it is no base64, expected the account's key as the portal shows it",
    });
  }
}

function sasQuery({ token, from }: { token: Secret; from: string }): Secret {
  const query = token.reveal().trim().replace(/^\?/, "");
  if (/^[\x21-\x7e]+$/.test(query) && query.includes("sig=") && !query.includes("#")) {
    return new Secret(query);
  }
  throw cannot(`use ${from}`, { config: "it is no shared access signature, expected sv=…&sig=…" });
}

/** The backend for `abfs://` and `abfss://`. */
export const backend: Backend = {
  open: (uri, settings, context) => new Promise((resolve) => resolve(openContainer(uri, settings, context))),
};
