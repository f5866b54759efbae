/**
 * Google Cloud Storage by its JSON API (https://cloud.google.com/storage/docs/json_api/v1).
 *
 * - A version is a generation, which `ifGenerationMatch` pins.
 * - Bytes come as they are stored: without `Accept-Encoding: gzip` the server would unpack objects that were stored packed, and
 *   neither size nor checksum nor ranges would fit.
 * - Small objects go up with their CRC32C in one request, large ones by a resumable session; the server refuses bytes that do not
 *   fit, before anybody sees them.
 * @module
 */
import { clientFor } from "../../../http/client.ts";
import type { Backend } from "../../backend.ts";
import { GcsAddress } from "./address.ts";
import { GcsStore } from "./store.ts";
import { openCredentials } from "./tokens.ts";
import { GcsRequests } from "./transport.ts";

/** Opens buckets. */
export const backend: Backend = {
  open(uri, settings, context) {
    const address = new GcsAddress(uri.container, settings, context.env);
    const credentials = openCredentials(settings, context);
    const client = clientFor(context);
    const { clock, randomHex } = context.system;
    const requests = new GcsRequests({ client, origin: address.origin, tokens: credentials.tokens, clock });
    const parts = { address, client, credentials, requests, randomHex };
    return Promise.resolve(new GcsStore(`${uri.scheme}://${uri.container}`, parts));
  },
};
