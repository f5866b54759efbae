/**
 * Objects behind http and https URLs, read only: they can be got, and nothing else.
 *
 * - The key is the rest of the URL, query included, sent as it is written.
 * - Redirects are followed, never from https to http. Any status but success is an error: a page that says "not found" is
 *   no data.
 * - What tells versions apart is a strong validator (validator.ts): without one there are neither ranges nor resumption.
 * - A body that comes compressed unasked (`Content-Encoding: gzip`) is decoded, as the original's HTTP client does.
 * - Link-local and metadata addresses are refused, by name, by address and by what a name resolves to: an input must not
 *   make this program fetch the machine's credentials. `allow_link_local` = `true` lifts that.
 * - User and password of a URL are sent as Basic authentication, to its own host only, and never shown; nor are queries, which
 *   may hold a signature.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { clientFor } from "../../../http/client.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { guardedNetwork } from "../../guard.ts";
import type { StoreUri } from "../../uri.ts";
import { httpSettings } from "./settings.ts";
import { HttpStore } from "./store.ts";

function openHost(uri: StoreUri, settings: StoreSettings, context: BackendContext): HttpStore {
  const { base, allowsLinkLocal } = httpSettings(uri, settings);
  const network = guardedNetwork(context.system.network, { env: context.env, allowsLinkLocal });
  const client = clientFor({ ...context, system: { ...context.system, network } });
  return new HttpStore(base, client, { context, allowsLinkLocal });
}

/** The backend for `http://` and `https://`. */
export const backend: Backend = {
  open: (uri, settings, context) => new Promise((resolve) => resolve(openHost(uri, settings, context))),
};
