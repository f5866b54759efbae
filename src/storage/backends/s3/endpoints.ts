/**
 * AWS's own addresses: S3 and STS by region, and the services of a machine that hand out credentials.
 *
 * Pure. The tests hold the regional ones against the AWS SDK's resolver.
 * @module
 */
import { trimEnd } from "../../../text/trim.ts";

type Env = Readonly<Record<string, string>>;

/** An address and the setting that it came from, for messages. */
export interface NamedUrl {
  url: string;
  from: string;
}

/** A partition's domains. */
interface Partition {
  regions: RegExp;
  suffix: string;
  dualStackSuffix: string;
  /** STS answers to its plain name where FIPS is asked for. */
  plainFipsSts?: boolean;
}

const COMMERCIAL: Partition = { regions: /^/, suffix: "amazonaws.com", dualStackSuffix: "api.aws" };

/** By the regions' names (AWS General Reference, "AWS partitions"); every other region is a commercial one. */
const PARTITIONS: readonly Partition[] = [
  { regions: /^cn-/, suffix: "amazonaws.com.cn", dualStackSuffix: "api.amazonwebservices.com.cn" },
  { regions: /^us-gov-/, suffix: "amazonaws.com", dualStackSuffix: "api.aws", plainFipsSts: true },
  { regions: /^us-iso-/, suffix: "c2s.ic.gov", dualStackSuffix: "api.aws.ic.gov" },
  { regions: /^us-isob-/, suffix: "sc2s.sgov.gov", dualStackSuffix: "api.aws.scloud" },
  { regions: /^eu-isoe-/, suffix: "cloud.adc-e.uk", dualStackSuffix: "api.cloud-aws.adc-e.uk" },
  { regions: /^us-isof-/, suffix: "csp.hci.ic.gov", dualStackSuffix: "api.aws.hci.ic.gov" },
  { regions: /^eusc-/, suffix: "amazonaws.eu", dualStackSuffix: "api.amazonwebservices.eu" },
];

function partitionOf(region: string): Partition {
  return PARTITIONS.find(({ regions }) => regions.test(region)) ?? COMMERCIAL;
}

/** The domain of a region's partition: every bucket's host lies below it, whichever region the bucket is in. */
export function awsDomain(region: string): string {
  return partitionOf(region).suffix;
}

/** Whether a variable of the environment says yes. */
export function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === "true";
}

/** S3's host in a region, with FIPS and dual stack as AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT say. */
export function s3Host(region: string, env: Env): string {
  const service = isTrue(env.AWS_USE_FIPS_ENDPOINT) ? "s3-fips" : "s3";
  const dualStack = isTrue(env.AWS_USE_DUALSTACK_ENDPOINT) ? ".dualstack" : "";
  return `${service}${dualStack}.${region}.${awsDomain(region)}`;
}

/** Where a region's STS is: AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL, else AWS's own. */
export function stsUrl(region: string, env: Env): NamedUrl {
  for (const name of ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]) {
    if (env[name]) return { url: env[name], from: name };
  }
  const { suffix, dualStackSuffix, plainFipsSts } = partitionOf(region);
  const isDualStack = isTrue(env.AWS_USE_DUALSTACK_ENDPOINT);
  const isFips = isTrue(env.AWS_USE_FIPS_ENDPOINT) && (isDualStack || plainFipsSts !== true);
  const host = `${isFips ? "sts-fips" : "sts"}.${region}.${isDualStack ? dualStackSuffix : suffix}`;
  return { url: `https://${host}`, from: "AWS_REGION" };
}

const ECS = "http://169.254.170.2";

/** The container's credential endpoint (EKS Pod Identity, ECS); null where the environment names none. */
export function containerUrl(env: Env): NamedUrl | null {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = env;
  if (relative) return { url: `${ECS}${relative}`, from: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" };
  return full ? { url: full, from: "AWS_CONTAINER_CREDENTIALS_FULL_URI" } : null;
}

/** The instance's metadata service. */
export function metadataUrl(env: Env): NamedUrl {
  const configured = trimEnd(env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? "", "/");
  const isIpv6 = env.AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE?.toLowerCase() === "ipv6";
  return {
    url: configured || (isIpv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254"),
    from: "AWS_EC2_METADATA_SERVICE_ENDPOINT",
  };
}

/** The shared files of a user. */
export function sharedFiles(env: Env): { config: string; credentials: string } {
  const directory = `${env.HOME ?? ""}/.aws`;
  return {
    config: env.AWS_CONFIG_FILE || `${directory}/config`,
    credentials: env.AWS_SHARED_CREDENTIALS_FILE || `${directory}/credentials`,
  };
}
