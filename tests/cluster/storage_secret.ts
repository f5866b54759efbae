/**
 * The Secret that holds the store's settings.
 * @module
 */
import { stringify } from "yaml";
import { ACCESS_KEY, REGION, SECRET_KEY } from "../faults/bucket.ts";
import { BUCKET, type Manifest, storeUrl } from "./cluster.ts";

/** @param file name of the settings in the Secret */
export function storageSecret(file: string): Manifest {
  const config = {
    auth_type: "accesskey",
    access_key_id: ACCESS_KEY,
    secret_key: SECRET_KEY,
    region: REGION,
    disable_ssl: true,
    v2_signing: false,
    endpoint: storeUrl(),
  };
  const storage = { type: "stow", container: BUCKET, stow: { kind: "s3", config } };
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "copilot-storage" },
    stringData: { [file]: stringify({ storage }) },
  };
}
