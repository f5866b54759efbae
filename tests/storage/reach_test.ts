import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { settingsFor, type StorageConfig, type StoreSettings } from "../../src/config/mod.ts";
import { hostnameOf, isLinkLocal, reachOf } from "../../src/storage/reach.ts";
import { parseUri } from "../../src/storage/uri.ts";

type Values = Record<string, string>;

function reach(uri: string, kind: string, values: Values = {}, env: Values = {}) {
  const settings: StoreSettings = { kind, values, secrets: {} };
  const { hosts, paths } = reachOf(parseUri(uri, "the URI"), settings, { env, cwd: "/cwd" });
  return { hosts: hosts.toSorted(), paths: paths.toSorted() };
}

const KEYS = { auth_type: "accesskey" };
const AWS = ["*.amazonaws.com", "*.amazonaws.com.cn", "*.api.aws"];
const METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "[fd00:ec2::254]"];

for (
  const [uri, kind, values, hosts, paths] of [
    ["file:///a/b", "local", {}, [], ["/a/b"]],
    ["/a/b", "local", {}, [], ["/a/b"]],
    ["a/b", "local", {}, [], ["/cwd/a/b"]],
    ["s3://bucket/k", "local", { path: "/data" }, [], ["/data"]],
    ["s3://bucket/k", "local", { path: "data" }, [], ["/cwd/data"]],
    ["file:///a/b", "local", { path: "/data" }, [], ["/a/b"]],
    ["mem://b/k", "mem", {}, [], []],
    ["https://host/k?q=1", "http", {}, ["host:443"], []],
    ["http://host/k", "http", {}, ["host:80"], []],
    ["http://user:pass@Host:8080/k", "http", {}, ["host:8080"], []],
    ["http://[::1]:81/k", "http", {}, ["[::1]:81"], []],
    ["s3://b/k", "s3", { ...KEYS, endpoint: "http://minio:9000" }, ["minio:9000"], []],
    ["s3://b/k", "s3", { ...KEYS, endpoint: "https://s3.example.com" }, ["s3.example.com:443"], []],
    ["s3://b/k", "s3", { ...KEYS, endpoint: "minio.local" }, ["minio.local:443"], []],
    ["s3://b/k", "s3", KEYS, AWS, []],
  ] as const
) {
  Deno.test(`reach: ${uri} of kind ${kind} with ${JSON.stringify(values)} needs no more than its own place`, () => {
    assert.deepEqual(reach(uri, kind, values), { hosts: [...hosts].sort(), paths: [...paths] });
  });
}

Deno.test("reach: ambient credentials of S3 need the metadata addresses and the files that the variables name", () => {
  assert.deepEqual(
    reach("s3://b/k", "s3", { auth_type: "iam", endpoint: "http://minio:9000" }, { HOME: "/home/x" }),
    {
      hosts: [...AWS, ...METADATA, "minio:9000"].sort(),
      paths: ["/home/x/.aws/config", "/home/x/.aws/credentials"],
    },
  );
  const env = {
    HOME: "/home/x",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token",
    AWS_SHARED_CREDENTIALS_FILE: "/etc/aws",
    AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:51678/creds",
  };
  const { hosts, paths } = reach("s3://b/k", "s3", {}, env);
  assert(hosts.includes("127.0.0.1:51678"));
  assert.deepEqual(paths, ["/etc/aws", "/home/x/.aws/config", "/var/run/token"]);
});

Deno.test("reach: with keys no metadata address and no credential file is reached", () => {
  const { hosts, paths } = reach("s3://b/k", "s3", KEYS, {
    HOME: "/home/x",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/t",
  });
  assert(!hosts.some((host) => isLinkLocal(host)));
  assert.deepEqual(paths, []);
});

Deno.test("reach: proxies are reached too, by every store that is not local", () => {
  const env = { HTTPS_PROXY: "http://user:pass@proxy:3128", http_proxy: "other" };
  assert.deepEqual(reach("https://host/k", "http", {}, env).hosts, ["host:443", "other:443", "proxy:3128"]);
  assert.deepEqual(reach("s3://b/k", "s3", { ...KEYS, endpoint: "http://minio:9000" }, env).hosts, [
    "minio:9000",
    "other:443",
    "proxy:3128",
  ]);
  assert.deepEqual(reach("file:///a", "local", {}, env).hosts, []);
});

Deno.test("reach: an address that is none is an error that does not repeat it", () => {
  assert.throws(
    () => reach("https://host/k", "http", {}, { HTTPS_PROXY: "http://user:hunter2@bad host" }),
    (error) => codeIs("config", "not a URL")(error) && !String((error as Error).message).includes("hunter2"),
  );
});

for (
  const host of [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fe80::1",
    "[FE80::1]",
    "febf::1",
    "[fd00:ec2::254]",
    "fd00:ec2::23",
    "fd20:ce::254",
    "metadata",
    "metadata.google.internal",
    "METADATA.Google.Internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
  ]
) {
  Deno.test(`reach: ${host} is link-local or hands out credentials`, () =>
    assert.equal(isLinkLocal(host), true));
}

for (
  const host of [
    "example.com",
    "127.0.0.1",
    "10.0.0.1",
    "169.255.0.1",
    "1.169.254.1",
    "fec0::1",
    "metadata.example.com",
    "100.100.100.20",
  ]
) {
  Deno.test(`reach: ${host} is a host like any other`, () => assert.equal(isLinkLocal(host), false));
}

for (
  const [text, host] of [
    ["http://2852039166/latest", "169.254.169.254"],
    ["http://0xa9.0376.0xa9fe/", "169.254.169.254"],
    ["http://0xA9FEA9FE:80/", "169.254.169.254"],
    ["http://user:pass@169.254.169.254:8080/x", "169.254.169.254"],
    ["https://METADATA.google.internal./x", "metadata.google.internal."],
    ["http://[::ffff:169.254.169.254]/", "[::ffff:a9fe:a9fe]"],
    ["http://[64:ff9b::169.254.169.254]/", "[64:ff9b::a9fe:a9fe]"],
    ["http://[::169.254.169.254]:81/", "[::a9fe:a9fe]"],
    ["http://１６９.254.169.254/", "169.254.169.254"],
  ] as const
) {
  Deno.test(`reach: ${text} is ${host}, and link-local`, () => {
    const found = hostnameOf(parseUri(text, "the URI"));
    assert.equal(found, host);
    assert.equal(isLinkLocal(found), true);
  });
}

function config(kind: string, values: Values): StorageConfig {
  return {
    type: "stow",
    maxDownloadBytes: 0,
    primary: { kind, values, secrets: {} },
    schemes: {},
  };
}

for (
  const [scheme, kind, values, expected] of [
    ["s3", "local", { path: "/data" }, "local"],
    ["gs", "local", { path: "/data" }, "local"],
    ["file", "local", { path: "/data" }, "local"],
    ["https", "local", { path: "/data" }, "http"],
    ["s3", "local", {}, "s3"],
    ["s3", "mem", {}, "mem"],
    ["http", "mem", {}, "http"],
    ["file", "mem", {}, "local"],
    ["gs", "s3", {}, "google"],
  ] as const
) {
  Deno.test(`reach: ${scheme} URIs under a store of kind ${kind} ${JSON.stringify(values)} are of kind ${expected}`, () => {
    assert.equal(settingsFor(scheme, config(kind, values)).kind, expected);
  });
}
