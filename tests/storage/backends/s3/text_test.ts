import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { CopilotError, type ErrorCode } from "../../../../src/errors.ts";
import { HttpHeaders } from "../../../../src/http/head.ts";
import { bucketAddress, inRegion } from "../../../../src/storage/backends/s3/settings.ts";
import { ChecksumPolicy, type ChecksumUse } from "../../../../src/storage/backends/s3/checksum_policy.ts";
import { checksumOf, etagMd5Of, parseErrorXml, s3Error } from "../../../../src/storage/backends/s3/reply.ts";
import { Refusal } from "../../../../src/storage/backends/s3/transport.ts";

Deno.test("s3 address: endpoints, styles, partitions", () => {
  const cases: [string, Record<string, string>, Record<string, string>, string, string][] = [
    ["bucket", {}, {}, "https://bucket.s3.us-east-1.amazonaws.com:443", "/"],
    ["bucket", { region: "eu-west-1" }, {}, "https://bucket.s3.eu-west-1.amazonaws.com:443", "/"],
    ["bucket", {}, { AWS_REGION: "ap-south-1" }, "https://bucket.s3.ap-south-1.amazonaws.com:443", "/"],
    ["bucket", { region: "r1" }, { AWS_REGION: "r2" }, "https://bucket.s3.r1.amazonaws.com:443", "/"],
    ["bucket", { region: "cn-north-1" }, {}, "https://bucket.s3.cn-north-1.amazonaws.com.cn:443", "/"],
    ["my.bucket", { region: "r" }, {}, "https://s3.r.amazonaws.com:443", "/my.bucket/"],
    ["My_Bucket", { region: "r" }, {}, "https://s3.r.amazonaws.com:443", "/My_Bucket/"],
    ["bucket", { region: "r", disable_ssl: "true" }, {}, "http://bucket.s3.r.amazonaws.com:80", "/"],
    [
      "bucket",
      { region: "r" },
      { AWS_USE_DUALSTACK_ENDPOINT: "true" },
      "https://bucket.s3.dualstack.r.amazonaws.com:443",
      "/",
    ],
    [
      "bucket",
      { region: "r" },
      { AWS_USE_FIPS_ENDPOINT: "true" },
      "https://bucket.s3-fips.r.amazonaws.com:443",
      "/",
    ],
    ["bucket", { endpoint: "http://minio:9000" }, {}, "http://minio:9000", "/bucket/"],
    ["bucket", { endpoint: "http://minio:9000/" }, {}, "http://minio:9000", "/bucket/"],
    ["bucket", { endpoint: "https://gw/s3/base/" }, {}, "https://gw:443", "/s3/base/bucket/"],
    ["bucket", { endpoint: "minio:9000", disable_ssl: "true" }, {}, "http://minio:9000", "/bucket/"],
    ["bucket", { endpoint: "minio:9000" }, {}, "https://minio:9000", "/bucket/"],
    ["bucket", { endpoint: "http://[::1]:9000" }, {}, "http://[::1]:9000", "/bucket/"],
    [
      "bucket",
      {},
      { AWS_ENDPOINT_URL_S3: "http://a:1", AWS_ENDPOINT_URL: "http://b:2" },
      "http://a:1",
      "/bucket/",
    ],
    ["bucket", { endpoint: "" }, { AWS_ENDPOINT_URL: "http://b:2" }, "http://b:2", "/bucket/"],
  ];
  for (const [bucket, values, env, origin, base] of cases) {
    const address = bucketAddress(
      { scheme: "s3", container: bucket },
      { kind: "s3", values, secrets: {} },
      env,
    );
    assert.deepEqual([address.origin.key, address.base], [origin, base], JSON.stringify({ values, env }));
  }
  const aws = bucketAddress(
    { scheme: "s3", container: "bucket" },
    { kind: "s3", values: {}, secrets: {} },
    {},
  );
  assert.equal(inRegion(aws, "eu-west-1", {}).origin.hostname, "bucket.s3.eu-west-1.amazonaws.com");
  const own = bucketAddress({ scheme: "s3", container: "bucket" }, {
    kind: "s3",
    values: { endpoint: "http://a:1" },
    secrets: {},
  }, {});
  assert.deepEqual([inRegion(own, "r", {}).origin.key, inRegion(own, "r", {}).region], ["http://a:1", "r"]);
});

Deno.test("s3 address: the style is a setting", () => {
  const addressed = (values: Record<string, string>, container = "bkt") => {
    const settings = { kind: "s3", values, secrets: {} };
    const { origin, base } = bucketAddress({ scheme: "s3", container }, settings, {});
    return `${origin.key}${base}`;
  };
  const endpoint = "https://oss-cn-hangzhou.aliyuncs.com/base/";
  assert.equal(addressed({ endpoint }), "https://oss-cn-hangzhou.aliyuncs.com:443/base/bkt/");
  assert.equal(
    addressed({ endpoint, addressing_style: "virtual" }),
    "https://bkt.oss-cn-hangzhou.aliyuncs.com:443/base/",
  );
  assert.equal(addressed({ addressing_style: "path" }), "https://s3.us-east-1.amazonaws.com:443/bkt/");
  assert.throws(() => addressed({ addressing_style: "auto" }), codeIs("config", /path or virtual/));
  for (const address of ["http://127.0.0.1:9000", "http://[::1]:9000"]) {
    assert.throws(
      () => addressed({ endpoint: address, addressing_style: "virtual" }),
      codeIs("config", /expected a host name/),
    );
  }
});

Deno.test("s3 address: buckets of other services are refused by name, on AWS", () => {
  const open = (container: string, values: Record<string, string> = {}) =>
    bucketAddress({ scheme: "s3", container }, { kind: "s3", values, secrets: {} }, {});
  const refused: [string, RegExp][] = [
    ["arn:aws:s3:us-west-2:123456789012:accesspoint", /ARN, expected a bucket, or the access point's alias/],
    ["fast--usw2-az1--x-s3", /S3 Express directory buckets are not supported/],
    ["point-abc--ol-s3", /Object Lambda/],
    ["point-abc--op-s3", /Outposts/],
  ];
  for (const [bucket, why] of refused) {
    assert.throws(() => open(bucket), codeIs("unsupported", why));
    open(bucket, { endpoint: "http://minio:9000" });
  }
  open("my-point-xyz-s3alias");
});

Deno.test("s3 reply: the checksum of the whole object, the cheapest first", () => {
  const cases: [Record<string, string>, string | undefined][] = [
    [{}, undefined],
    [{ "x-amz-checksum-crc32": "bxtlZg==" }, "crc32:6f1b6566"],
    [{ "x-amz-checksum-sha256": "AAAA", "x-amz-checksum-crc32": "bxtlZg==" }, "crc32:6f1b6566"],
    [{ "x-amz-checksum-crc64nvme": "+0RolCUq3Os=" }, "crc64nvme:fb446894252adceb"],
    [{ "x-amz-checksum-crc32": "bxtlZg==-3" }, undefined],
    [{ "x-amz-checksum-crc32": "bxtlZg==", "x-amz-checksum-type": "COMPOSITE" }, undefined],
    [{ "x-amz-checksum-crc32": "bxtlZg==", "x-amz-checksum-type": "FULL_OBJECT" }, "crc32:6f1b6566"],
    [{ "x-amz-checksum-crc32": "not base64" }, undefined],
    [{ "x-amz-checksum-crc32": "AAAA" }, undefined],
    [{ "x-amz-checksum-crc32": "bxtlZg==", "content-range": "bytes 0-1/9" }, undefined],
    [{
      "x-amz-checksum-crc32": "bxtlZg==",
      "content-range": "bytes 0-1/9",
      "x-amz-checksum-type": "FULL_OBJECT",
    }, "crc32:6f1b6566"],
    [{ etag: '"ff65ab194450c2de3a127024ccea3243"' }, undefined],
  ];
  for (const [fields, expected] of cases) {
    const checksum = checksumOf(new HttpHeaders(new Map(Object.entries(fields))));
    assert.equal(checksum && `${checksum.name}:${checksum.hex}`, expected, JSON.stringify(fields));
  }
});

Deno.test("s3 reply: which ETags may be an MD5", () => {
  const hex = "ff65ab194450c2de3a127024ccea3243";
  const etag = `"${hex}"`;
  const cases: [Record<string, string>, string | undefined][] = [
    [{}, undefined],
    [{ etag }, hex],
    [{ etag: hex }, hex],
    [{ etag, "content-range": "bytes 0-1/9" }, hex],
    [{ etag, "x-amz-server-side-encryption": "AES256" }, hex],
    [{ etag, "x-amz-server-side-encryption": "aws:kms" }, undefined],
    [{ etag, "x-amz-server-side-encryption-customer-algorithm": "AES256" }, undefined],
    [{ etag: `"${hex}-2"` }, undefined],
    [{ etag: `W/${etag}` }, undefined],
  ];
  for (const [fields, expected] of cases) {
    assert.equal(
      etagMd5Of(new HttpHeaders(new Map(Object.entries(fields)))),
      expected,
      JSON.stringify(fields),
    );
  }
});

Deno.test("s3 reply: an error's XML is read tolerantly", () => {
  const cases: [string, string, string][] = [
    [
      "<?xml version='1.0'?>\n<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>",
      "NoSuchKey",
      "gone",
    ],
    [
      '<Error xmlns="http://x"><Message>a &lt;b&gt; &quot;c&quot; &amp;amp; &#34;</Message><Code>X</Code></Error>',
      "X",
      'a <b> "c" &amp; "',
    ],
    ["<Error><Code>OnlyCode</Code></Error>", "OnlyCode", ""],
    ["<Error><Code>cut sho", "", ""],
    ["<html><body>Bad gateway</body></html>", "", ""],
    ["", "", ""],
    ["<Code>NotInAnError</Code>", "", ""],
  ];
  for (const [xml, code, message] of cases) assert.deepEqual(parseErrorXml(xml), { code, message });
});

Deno.test("s3 reply: which error a refusal is", () => {
  const cases: [number, string, ErrorCode][] = [
    [404, "NoSuchKey", "not-found"],
    [404, "NoSuchBucket", "not-found"],
    [404, "", "not-found"],
    [403, "AccessDenied", "denied"],
    [403, "SignatureDoesNotMatch", "denied"],
    [403, "InvalidAccessKeyId", "denied"],
    [400, "ExpiredToken", "denied"],
    [400, "InvalidToken", "denied"],
    [403, "", "denied"],
    [403, "RequestTimeTooSkewed", "unavailable"],
    [503, "SlowDown", "throttled"],
    [503, "", "throttled"],
    [429, "", "throttled"],
    [500, "InternalError", "unavailable"],
    [502, "", "unavailable"],
    [400, "RequestTimeout", "unavailable"],
    [409, "OperationAborted", "unavailable"],
    [412, "PreconditionFailed", "changed"],
    [400, "BadDigest", "integrity"],
    [400, "XAmzContentChecksumMismatch", "integrity"],
    [400, "InvalidRequest", "config"],
    [301, "PermanentRedirect", "config"],
  ];
  for (const [status, code, expected] of cases) {
    const error = s3Error({ status, code, message: "m" }, { action: "read", object: "s3://b/k" });
    assert.equal(error.code, expected, `${status} ${code}`);
    assert.ok(
      error.message.startsWith(`Cannot read "s3://b/k": status ${status}${code && ` ${code}`} (m)`),
      error.message,
    );
  }
  const noisy = s3Error(
    { status: 500, code: "", message: `a\nb\x1b[31m${"x".repeat(1000)}`, retryAfterMs: 5 },
    { action: "read", object: "o" },
  );
  assert.ok(noisy instanceof CopilotError);
  assert.equal(noisy.retryAfterMs, 5);
  // deno-lint-ignore no-control-regex -- none may be left
  assert.doesNotMatch(noisy.message, /[\0-\x1f]/);
  assert.ok(noisy.message.length < 400);
});

Deno.test("checksum policy: what counts as a refusal of checksums", async () => {
  const cases: [ChecksumUse, number, string, string, boolean][] = [
    [
      "trailer",
      501,
      "NotImplemented",
      "A header you provided implies functionality that is not implemented",
      true,
    ],
    ["header", 501, "NotImplemented", "", true],
    ["mode", 501, "", "", true],
    ["none", 501, "NotImplemented", "", false],
    ["trailer", 400, "InvalidArgument", "", true],
    ["mode", 400, "InvalidArgument", "Unsupported header 'x-amz-checksum-mode' received", true],
    ["mode", 400, "", "", true],
    ["mode", 405, "", "", true],
    ["header", 422, "UnknownHeader", "", true],
    ["trailer", 400, "InvalidRequest", "x-amz-trailer is not supported", true],
    ["trailer", 403, "SignatureDoesNotMatch", "", true],
    ["header", 403, "SignatureDoesNotMatch", "", true],
    ["mode", 403, "AccessDenied", "x-amz-checksum-mode is not allowed", true],
    ["trailer", 411, "MissingContentLength", "", true],
    ["header", 400, "InvalidRequest", "Checksum algorithm not supported", true],
    ["header", 403, "Forbidden", "x-amz-checksum-crc32 is not allowed", true],
    ["trailer", 400, "BadDigest", "The checksum did not match", false],
    ["trailer", 400, "XAmzContentChecksumMismatch", "", false],
    ["trailer", 403, "AccessDenied", "", true],
    ["trailer", 503, "SlowDown", "", false],
    ["trailer", 404, "NoSuchBucket", "", false],
    ["mode", 404, "", "", false],
    ["mode", 403, "", "", true],
    ["mode", 403, "AccessDenied", "", true],
    ["mode", 403, "ExpiredToken", "", false],
    ["header", 400, "InvalidBucketName", "", false],
    ["header", 400, "EntityTooLarge", "", false],
  ];
  for (const [use, status, code, message, expected] of cases) {
    const tried: ChecksumUse[] = [];
    const refuse = (now: ChecksumUse) => {
      tried.push(now);
      return now === use ? Promise.reject(new Refusal({ status, code, message })) : Promise.resolve(now);
    };
    const wishes = use === "none" ? [] : [use];
    const sent = new ChecksumPolicy().send("put", wishes, refuse);
    if (expected) assert.equal(await sent, "none", `${use} ${status} ${code}`);
    else await assert.rejects(sent, Refusal, `${use} ${status} ${code}`);
    assert.deepEqual(tried, expected ? [use, "none"] : [use]);
  }
});

/** A store that refuses some uses, and what a policy has tried there. */
function refusing(policy: ChecksumPolicy, refused: Partial<Record<ChecksumUse, string>>) {
  const tried: ChecksumUse[] = [];
  const send = (request: "put" | "part", wishes: readonly ChecksumUse[]) =>
    policy.send(request, wishes, (use) => {
      tried.push(use);
      const code = refused[use];
      return code === undefined
        ? Promise.resolve(use)
        : Promise.reject(new Refusal({ status: 400, code, message: "" }));
    });
  return { tried, send };
}

Deno.test("checksum policy: what was refused is not tried again once it has gone through without", async () => {
  const { tried, send } = refusing(new ChecksumPolicy(), {
    trailer: "InvalidArgument",
    header: "NotImplemented",
  });
  assert.equal(await send("put", ["trailer", "header"]), "none");
  assert.equal(await send("part", ["trailer", "header"]), "none");
  assert.deepEqual(tried, ["trailer", "header", "none", "none"]);
});

Deno.test("checksum policy: a refusal with another reason takes no checksum away", async () => {
  const policy = new ChecksumPolicy();
  const all = refusing(policy, { header: "Odd", none: "Odd" });
  await assert.rejects(all.send("put", ["header"]), Refusal);
  assert.deepEqual(all.tried, ["header", "none"]);
  assert.equal(await refusing(policy, {}).send("put", ["header"]), "header");
});

Deno.test("checksum policy: what has worked is doubted only where the refusal speaks of it, request by request", async () => {
  const policy = new ChecksumPolicy();
  await refusing(policy, {}).send("put", ["trailer"]);
  const { tried, send } = refusing(policy, { trailer: "InvalidArgument" });
  await assert.rejects(send("put", ["trailer"]), Refusal);
  assert.equal(await send("part", ["trailer"]), "none");
  assert.deepEqual(tried, ["trailer", "trailer", "none"]);
});
