/** Where a store is and whose credentials are used, from settings alone. */
import assert from "assert";
import { storeSettings } from "../../src/config/mod.ts";
import { storeFacts } from "../../src/doctor/store_facts.ts";
import { parseUri } from "../../src/storage/uri.ts";

interface Case {
  uri: string;
  kind: string;
  config?: Record<string, string>;
  env?: Record<string, string>;
  server: string | undefined;
  credentials: RegExp | null;
}

const CASES: Case[] = [
  {
    uri: "s3://bucket/k",
    kind: "s3",
    config: { endpoint: "http://minio:9000", access_key_id: "a", secret_key: "s" },
    server: "http://minio:9000",
    credentials: /^access_key_id and secret_key of the settings$/,
  },
  {
    uri: "s3://bucket/k",
    kind: "s3",
    env: { AWS_WEB_IDENTITY_TOKEN_FILE: "/token", AWS_ROLE_ARN: "arn:role" },
    server: "https://bucket.s3.us-east-1.amazonaws.com:443",
    credentials: /AWS_WEB_IDENTITY_TOKEN_FILE \(\/token\), role arn:role/,
  },
  {
    uri: "s3://bucket/k",
    kind: "s3",
    env: { AWS_PROFILE: "me" },
    server: "https://bucket.s3.us-east-1.amazonaws.com:443",
    credentials: /the profile "me"/,
  },
  {
    uri: "gs://b/k",
    kind: "google",
    env: { GOOGLE_APPLICATION_CREDENTIALS: "/key.json" },
    server: "https://storage.googleapis.com:443",
    credentials: /GOOGLE_APPLICATION_CREDENTIALS \(\/key\.json\)/,
  },
  {
    uri: "abfs://container@account.dfs.core.windows.net/k",
    kind: "azure",
    config: { key: "c2VjcmV0" },
    server: "https://account.blob.core.windows.net:443",
    credentials: /storage\.stow\.config key/,
  },
  { uri: "/data/x", kind: "local", server: undefined, credentials: null },
];

for (const { uri, kind, config = {}, env = {}, server, credentials } of CASES) {
  Deno.test(`store facts: ${uri} with ${[...Object.keys(config), ...Object.keys(env)]}`, () => {
    const facts = storeFacts(parseUri(uri, "a test"), storeSettings(kind, config), env);
    assert.equal(facts.origin?.key, server);
    if (credentials === null) assert.equal(facts.credentials, null);
    else assert.match(facts.credentials!, credentials);
    assert(!/c2VjcmV0/.test(JSON.stringify(facts)));
  });
}

Deno.test("store facts: settings that cannot work are an error", () => {
  const uri = parseUri("s3://bucket/k", "a test");
  assert.throws(
    () => storeFacts(uri, storeSettings("s3", { auth_type: "magic" }), {}),
    /expected accesskey or iam/,
  );
});
