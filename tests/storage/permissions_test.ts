import assert from "assert";
import { codeIs } from "../support/errors.ts";
import { settingsFor, type StorageConfig, type StoreSettings } from "../../src/config/mod.ts";
import { requiredPermissions } from "../../src/storage/permissions.ts";
import { isLinkLocal } from "../../src/storage/link_local.ts";
import { parseUri } from "../../src/storage/uri.ts";

type Values = Record<string, string>;

function asked(uri: string, kind: string, values: Values = {}, env: Values = {}) {
  const settings: StoreSettings = { kind, values, secrets: {} };
  const { hosts, paths } = requiredPermissions(parseUri(uri, "the URI"), settings, { env, cwd: "/cwd" });
  return { hosts: hosts.toSorted(), paths: paths.toSorted() };
}

const KEYS = { auth_type: "accesskey" };

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
    ["s3://b/k", "s3", { ...KEYS, endpoint: "minio:9000", disable_ssl: "true" }, ["minio:9000"], []],
    ["s3://b/k", "s3", { ...KEYS, endpoint: "minio", disable_ssl: "true" }, ["minio:80"], []],
    ["s3://b/k", "s3", { ...KEYS, endpoint: "http://m:1", addressing_style: "virtual" }, ["b.m:1"], []],
    ["s3://bkt/k", "s3", KEYS, ["*.amazonaws.com", "bkt.s3.us-east-1.amazonaws.com:443"], []],
    [
      "s3://bkt/k",
      "s3",
      { ...KEYS, region: "us-iso-east-1" },
      ["*.c2s.ic.gov", "bkt.s3.us-iso-east-1.c2s.ic.gov:443"],
      [],
    ],
  ] as const
) {
  Deno.test(`permissions: ${uri} of kind ${kind} with ${JSON.stringify(values)} needs no more than its own place`, () => {
    assert.deepEqual(asked(uri, kind, values), { hosts: [...hosts].sort(), paths: [...paths] });
  });
}

Deno.test("permissions: S3 needs what its source of credentials needs, and no other's", () => {
  const endpoint = { endpoint: "http://minio:9000" };
  const ask = (env: Values, texts: Values = {}) => {
    const settings: StoreSettings = { kind: "s3", values: endpoint, secrets: {} };
    const readText = (path: string) => texts[path] ?? null;
    const context = { env: { HOME: "/home/x", ...env }, cwd: "/cwd", readText };
    const { hosts, paths } = requiredPermissions(parseUri("s3://b/k", "the URI"), settings, context);
    return { hosts: hosts.filter((host) => host !== "minio:9000").toSorted(), paths: paths.toSorted() };
  };
  const shared = ["/home/x/.aws/config", "/home/x/.aws/credentials"];
  assert.deepEqual(ask({}), { hosts: ["169.254.169.254:80"], paths: shared });
  assert.deepEqual(ask({ AWS_ACCESS_KEY_ID: "id" }), { hosts: [], paths: [] });
  assert.deepEqual(ask({ AWS_WEB_IDENTITY_TOKEN_FILE: "/t", AWS_REGION: "eu-west-1" }), {
    hosts: ["sts.eu-west-1.amazonaws.com:443"],
    paths: ["/t"],
  });
  const agent = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:51678/creds",
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/token",
  };
  assert.deepEqual(ask(agent), { hosts: ["127.0.0.1:51678"], paths: ["/token"] });
  const profile = { "/home/x/.aws/config": "[default]\nweb_identity_token_file = /profile/token\n" };
  assert.deepEqual(ask({ AWS_REGION: "cn-north-1" }, profile), {
    hosts: ["*.amazonaws.com.cn", "169.254.169.254:80", "sts.cn-north-1.amazonaws.com.cn:443"],
    paths: [...shared, "/profile/token"],
  });
});

Deno.test("permissions: with keys no metadata address and no credential file is reached", () => {
  const { hosts, paths } = asked("s3://b/k", "s3", KEYS, {
    HOME: "/home/x",
    AWS_WEB_IDENTITY_TOKEN_FILE: "/t",
  });
  assert(!hosts.some((host) => isLinkLocal(host.replace(/:[0-9]+$/, ""))));
  assert.deepEqual(paths, []);
});

Deno.test("permissions: proxies are reached too, by every store that is not local", () => {
  const env = { HTTPS_PROXY: "http://user:pass@proxy:3128", http_proxy: "other" };
  assert.deepEqual(asked("https://host/k", "http", {}, env).hosts, ["host:443", "proxy:3128"]);
  const minio = { ...KEYS, endpoint: "http://minio:9000" };
  assert.deepEqual(asked("s3://b/k", "s3", minio, env).hosts, ["minio:9000", "other:80"]);
  assert.deepEqual(asked("s3://b/k", "s3", minio, { ...env, NO_PROXY: "minio" }).hosts, ["minio:9000"]);
  assert.deepEqual(asked("file:///a", "local", {}, env).hosts, []);
});

Deno.test("permissions: an address that is none is an error that does not repeat it", () => {
  assert.throws(
    () => asked("https://host/k", "http", {}, { HTTPS_PROXY: "http://user:hunter2@bad host" }),
    (error) => codeIs("config", "not a URL")(error) && !String((error as Error).message).includes("hunter2"),
  );
});

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
  Deno.test(`permissions: ${scheme} URIs under a store of kind ${kind} ${JSON.stringify(values)} are of kind ${expected}`, () => {
    assert.equal(settingsFor(scheme, config(kind, values)).kind, expected);
  });
}
