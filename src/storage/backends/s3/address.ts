/**
 * Where a bucket is: the endpoint, path or virtual-hosted style, the region.
 * @module
 */
import { schemeOfKind, type StoreSettings } from "../../../config/mod.ts";
import { makeOrigin, type Origin, parseHttpUrl } from "../../../http/origin.ts";
import { encodeKey } from "./sigv4.ts";

/** A bucket's address. */
export interface BucketAddress {
  bucket: string;
  /** URI of the bucket, without a slash at its end. */
  root: string;
  region: string;
  origin: Origin;
  /** What stands before a key in the path: `/` or `/bucket/`, percent-encoded, below the endpoint's own path. */
  base: string;
  /** AWS's own endpoint, which is another one in another region. */
  isAws: boolean;
}

type Env = Readonly<Record<string, string>>;

/** Where a region's partition has its endpoints. */
const PARTITIONS: readonly (readonly [RegExp, string])[] = [
  [/^cn-/, "amazonaws.com.cn"],
  [/^us-iso-/, "c2s.ic.gov"],
  [/^us-isob-/, "sc2s.sgov.gov"],
];

/** Names that are a host name and match the wildcard certificate. */
const VIRTUAL_HOSTED = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

/** Whether a variable of the environment says yes. */
export function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === "true";
}

/**
 * The address of a bucket.
 *
 * @throws CopilotError `config` for an endpoint that is not a URL
 */
export function addressOf(bucket: string, settings: StoreSettings, env: Env): BucketAddress {
  const { values } = settings;
  const region = values.region || env.AWS_REGION || env.AWS_DEFAULT_REGION || "us-east-1";
  const scheme = isTrue(values.disable_ssl) ? "http" : "https";
  const configured = values.endpoint || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  if (!configured) return awsAddress(bucket, region, { env, isSecure: scheme === "https" });
  const endpoint = configured.includes("://") ? configured : `${scheme}://${configured}`;
  const { origin, path } = parseHttpUrl(endpoint, "the endpoint (storage.stow.config endpoint)");
  const above = path.replace(/\?.*$/, "").replace(/\/+$/, "");
  const root = `${schemeOfKind(settings.kind)}://${bucket}`;
  return { bucket, root, region, origin, base: `${above}/${encodeKey(bucket)}/`, isAws: false };
}

function awsAddress(bucket: string, region: string, options: { env: Env; isSecure: boolean }): BucketAddress {
  const { env, isSecure } = options;
  const service = isTrue(env.AWS_USE_FIPS_ENDPOINT) ? "s3-fips" : "s3";
  const dualStack = isTrue(env.AWS_USE_DUALSTACK_ENDPOINT) ? ".dualstack" : "";
  const suffix = PARTITIONS.find(([pattern]) => pattern.test(region))?.[1] ?? "amazonaws.com";
  const host = `${service}${dualStack}.${region}.${suffix}`;
  const isPathStyle = !VIRTUAL_HOSTED.test(bucket);
  return {
    bucket,
    root: `s3://${bucket}`,
    region,
    origin: makeOrigin(isSecure, isPathStyle ? host : `${bucket}.${host}`, isSecure ? 443 : 80),
    base: isPathStyle ? `/${encodeKey(bucket)}/` : "/",
    isAws: true,
  };
}

/** The same bucket in the region where the server says it is. */
export function inRegion(address: BucketAddress, region: string, env: Env): BucketAddress {
  if (!address.isAws) return { ...address, region };
  return awsAddress(address.bucket, region, { env, isSecure: address.origin.secure });
}
