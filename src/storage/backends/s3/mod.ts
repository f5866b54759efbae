/**
 * Amazon S3 and stores that speak its protocol (MinIO, Ceph, versitygw, R2 …).
 *
 * Settings (`storage.stow.config`): those of settings.ts (the address), credential_origin.ts (`auth_type`, `access_key_id`,
 * `secret_key`, `token`) and request_headers.ts. OpenStack Swift and Oracle Object Storage: see compatible.ts.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { clientFor } from "../../../http/client.ts";
import { formatUri, type StoreUri } from "../../uri.ts";
import { assertReachable } from "./compatible.ts";
import { requestHeaders } from "./request_headers.ts";
import { bucketAddress } from "./settings.ts";
import { S3Store } from "./store.ts";
import { CredentialSource, providerFor } from "./tokens.ts";

function openBucket(uri: StoreUri, settings: StoreSettings, context: BackendContext): S3Store {
  assertReachable(uri, settings);
  const address = bucketAddress(uri, settings, context.env);
  const http = clientFor(context);
  const object = formatUri({ ...uri, key: "" });
  const provider = providerFor({ settings, context, http, region: address.region, object });
  const credentials = new CredentialSource(provider, context.system.clock);
  const headers = requestHeaders(settings, { isSecure: address.origin.secure });
  return new S3Store({ address, credentials, http, context, headers });
}

/** The backend for `s3://`, and for `sw://` and `os://` by the same protocol. */
export const backend: Backend = {
  open: (uri, settings, context) => new Promise((resolve) => resolve(openBucket(uri, settings, context))),
};
