/** S3's and STS's hosts in every region, against the AWS SDK's own resolver; and that the run may reach them. */
import { S3Client } from "@aws-sdk/client-s3";
import { STSClient } from "@aws-sdk/client-sts";
import assert from "assert";
import { stsUrl } from "../../../../src/storage/backends/s3/endpoints.ts";
import { bucketAddress, requiredPermissions } from "../../../../src/storage/backends/s3/settings.ts";

/** Regions of each partition, those in preparation included. */
const REGIONS = {
  aws: [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "ca-west-1",
    "mx-central-1",
    "sa-east-1",
    "af-south-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
  ],
  "aws-cn": ["cn-north-1", "cn-northwest-1"],
  "aws-us-gov": ["us-gov-east-1", "us-gov-west-1"],
  "aws-iso": ["us-iso-east-1", "us-iso-west-1"],
  "aws-iso-b": ["us-isob-east-1", "us-isob-west-1"],
  "aws-iso-e": ["eu-isoe-west-1"],
  "aws-iso-f": ["us-isof-east-1", "us-isof-south-1"],
  "aws-eusc": ["eusc-de-east-1"],
};

type Resolve = (parameters: Record<string, unknown>, context: object) => { url: URL };

/** The resolver of a client, which its types do not show. */
function resolverOf(client: { config: object }): Resolve {
  return (client.config as { endpointProvider: Resolve }).endpointProvider;
}

const CREDENTIALS = { accessKeyId: "id", secretAccessKey: "secret" };
const SDK = {
  s3: resolverOf(new S3Client({ region: "us-east-1", credentials: CREDENTIALS })),
  sts: resolverOf(new STSClient({ region: "us-east-1", credentials: CREDENTIALS })),
};

/** The SDK's answer; null where it knows of no such endpoint. */
function sdkHost(service: keyof typeof SDK, parameters: Record<string, unknown>): string | null {
  try {
    return SDK[service](parameters, {}).url.host;
  } catch (thrown) {
    assert.match(String(thrown), /not supported|does not support|not compatible/i);
    return null;
  }
}

for (const [partition, regions] of Object.entries(REGIONS)) {
  for (const isFips of [false, true]) {
    for (const isDualStack of [false, true]) {
      const env = {
        ...(isFips && { AWS_USE_FIPS_ENDPOINT: "true" }),
        ...(isDualStack && { AWS_USE_DUALSTACK_ENDPOINT: "true" }),
        AWS_WEB_IDENTITY_TOKEN_FILE: "/token",
      };
      const variant = `${isFips ? " FIPS" : ""}${isDualStack ? " dual stack" : ""}`;
      Deno.test(`s3 endpoints: ${partition}${variant}: as the SDK has them, and permitted`, () => {
        let compared = 0;
        for (const region of regions) {
          const asked = { Region: region, UseFIPS: isFips, UseDualStack: isDualStack };
          const settings = { kind: "s3", values: { region }, secrets: {} };
          for (const bucket of ["bkt", "my.bucket"]) {
            const expected = sdkHost("s3", { ...asked, Bucket: bucket });
            if (expected === null) continue;
            const uri = { scheme: "s3", container: bucket, host: "", key: "" };
            const { origin } = bucketAddress(uri, settings, env);
            assert.equal(origin.authority, expected, region);
            const { hosts } = requiredPermissions(uri, settings, { env, cwd: "/" });
            assert(hosts.includes(`${expected}:443`), `${expected} is not among ${hosts}`);
            compared++;
            const sts = sdkHost("sts", { ...asked, UseGlobalEndpoint: false });
            if (sts === null) continue;
            assert.equal(stsUrl(region, env).url, `https://${sts}`, region);
            assert(hosts.includes(`${sts}:443`), `${sts} is not among ${hosts}`);
          }
        }
        // Every partition has plain endpoints; not every one has the others.
        if (variant === "") assert.equal(compared, 2 * regions.length);
      });
    }
  }
}
