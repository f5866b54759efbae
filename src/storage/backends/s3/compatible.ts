/**
 * Stores with a protocol of their own that also speak S3's, and are reached by that: one protocol less to get wrong, and for both
 * the better documented one.
 * @module
 */
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import { formatUri, type StoreUri } from "../../uri.ts";

interface Compatible {
  name: string;
  endpoint: string;
  keys: string;
}

/** By URI scheme. */
const STORES: Readonly<Record<string, Compatible>> = {
  sw: {
    name: "OpenStack Swift",
    endpoint: "the URL of its s3api",
    keys: "as `openstack ec2 credentials create` gives them",
  },
  os: {
    name: "Oracle Object Storage",
    endpoint: "https://NAMESPACE.compat.objectstorage.REGION.oci.customer-oci.com",
    keys: "a Customer Secret Key",
  },
};

/**
 * Refuses settings with which such a store cannot be reached: its own credentials (Keystone's, Oracle's) open nothing here.
 *
 * @throws CopilotError `config`, naming the settings to use instead
 */
export function assertReachable(uri: StoreUri, { values, secrets }: StoreSettings): void {
  const store = STORES[uri.scheme];
  if (store === undefined) return;
  if (values.endpoint && values.access_key_id && secrets.secret_key) return;
  const object = formatUri(uri);
  throw cannot("open", object, {
    config: `${store.name} is reached by its S3 interface, expected endpoint (${store.endpoint}), region, ` +
      `access_key_id and secret_key (${store.keys}) in storage.stow.config`,
  });
}
