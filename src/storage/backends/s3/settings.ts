/**
 * What the settings of S3 mean: where a bucket is (endpoint, path or virtual-hosted style, region), and what a run needs to
 * reach it. Pure, for the store and for the run's permissions.
 *
 * Settings (`storage.stow.config`): `endpoint` (with or without scheme), `disable_ssl` (`true` or `false`: the scheme of an
 * endpoint without one), `region`, `addressing_style` (`path` or `virtual`; an endpoint's default is `path`, AWS's `virtual`).
 * @module
 */
import { encodePath } from "../../cloud/percent_encoding.ts";
import type { StoreSettings } from "../../../config/mod.ts";
import { cannot } from "../../../errors.ts";
import { makeOrigin, type Origin, parseHttpUrl } from "../../../http/origin.ts";
import type { PermissionContext, Permissions } from "../../backend.ts";
import { permissionsFor } from "../../cloud/permissions.ts";
import type { StoreUri } from "../../uri.ts";
import { credentialNeeds, credentialOrigin } from "./credential_origin.ts";
import { awsDomain, s3Host } from "./endpoints.ts";
import { before, trimEnd } from "../../../text/trim.ts";

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
  style: AddressingStyle;
}

/** `path`: https://endpoint/bucket/key; `virtual`: https://bucket.endpoint/key. */
type AddressingStyle = "path" | "virtual";

type Env = Readonly<Record<string, string>>;

/** Names that are a host name and match the wildcard certificate. */
const VIRTUAL_HOSTED = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

/** Buckets of other services, by the end of their names (S3 user guide, "Bucket naming rules"). */
const OTHER_SERVICES: readonly (readonly [RegExp, string])[] = [
  [/^arn:/, "it is an ARN, expected a bucket, or the access point's alias (NAME-…-s3alias) in its place"],
  [/--x-s3$/, "S3 Express directory buckets are not supported, expected a general purpose bucket"],
  [/--ol-s3$/, "Object Lambda access points are not supported, expected a bucket or an access point's alias"],
  [/--op-s3$/, "buckets on Outposts are not supported, expected a bucket or an access point's alias"],
];

/**
 * The address of a bucket.
 *
 * @throws CopilotError `config` for settings that cannot work, `unsupported` for a bucket that another service has
 */
export function bucketAddress(
  { scheme, container: bucket }: Pick<StoreUri, "scheme" | "container">,
  { values }: StoreSettings,
  env: Env,
): BucketAddress {
  const region = values.region || env.AWS_REGION || env.AWS_DEFAULT_REGION || "us-east-1";
  const isSecure = !isOn("disable_ssl", values.disable_ssl);
  const style = styleOf(values.addressing_style);
  const root = `${scheme}://${bucket}`;
  const configured = values.endpoint || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  if (!configured) {
    const other = OTHER_SERVICES.find(([pattern]) => pattern.test(bucket));
    if (other === undefined) return awsAddress({ bucket, root, region, isSecure, style, env });
    throw cannot("open", root, { unsupported: other[1] });
  }
  const endpoint = configured.includes("://") ? configured : `${isSecure ? "https" : "http"}://${configured}`;
  const { origin, path } = parseHttpUrl(endpoint, "the endpoint (storage.stow.config endpoint)");
  const above = trimEnd(before(path, "?"), "/");
  const common = { bucket, root, region, isAws: false };
  if (style !== "virtual") {
    return { ...common, style: "path", origin, base: `${above}/${encodePath(bucket)}/` };
  }
  return { ...common, style, origin: below(bucket, origin), base: `${above}/` };
}

/** The bucket's own host below that of an endpoint. */
function below(bucket: string, { secure, hostname, port }: Origin): Origin {
  if (/^[0-9.]+$|:/.test(hostname)) {
    throw cannot("use storage.stow.config addressing_style", "virtual", {
      config: `the endpoint is the address ${hostname}, expected a host name`,
    });
  }
  return makeOrigin(secure, `${bucket.toLowerCase()}.${hostname}`, port);
}

interface AwsBucket {
  bucket: string;
  root: string;
  region: string;
  isSecure: boolean;
  style: AddressingStyle | undefined;
  env: Env;
}

function awsAddress({ bucket, root, region, isSecure, style, env }: AwsBucket): BucketAddress {
  const host = s3Host(region, env);
  const isPathStyle = style === "path" || !VIRTUAL_HOSTED.test(bucket);
  return {
    bucket,
    root,
    region,
    origin: makeOrigin(isSecure, isPathStyle ? host : `${bucket}.${host}`, isSecure ? 443 : 80),
    base: isPathStyle ? `/${encodePath(bucket)}/` : "/",
    isAws: true,
    style: isPathStyle ? "path" : "virtual",
  };
}

/** The same bucket in the region where the server says it is. */
export function inRegion(address: BucketAddress, region: string, env: Env): BucketAddress {
  if (!address.isAws) return { ...address, region };
  return awsAddress({ ...address, region, isSecure: address.origin.secure, env });
}

function isOn(key: string, value = ""): boolean {
  if (["", "true", "false"].includes(value.toLowerCase())) return value.toLowerCase() === "true";
  throw cannot(`use storage.stow.config ${key}`, value, { config: "expected true or false" });
}

function styleOf(value = ""): AddressingStyle | undefined {
  if (value === "") return undefined;
  if (value === "path" || value === "virtual") return value;
  throw cannot("use storage.stow.config addressing_style", value, { config: "expected path or virtual" });
}

/** The permissions for a bucket: its host, those that it may be redirected to, and what leads to credentials. */
export function requiredPermissions(
  uri: StoreUri,
  settings: StoreSettings,
  context: PermissionContext,
): Permissions {
  const { env, readText = () => null } = context;
  const { origin, region, isAws } = bucketAddress(uri, settings, env);
  const needs = credentialNeeds(credentialOrigin(settings, env), { region, env, readText });
  return permissionsFor({
    origins: [origin, ...needs.origins],
    patterns: [...(isAws ? [`*.${awsDomain(region)}`] : []), ...needs.patterns ?? []],
    paths: needs.paths ?? [],
  }, context);
}
