/** Google's credential files and settings: what they mean, what is wrong with them, what they let a run reach. */
import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import { Secret, type StoreSettings } from "../../../../src/config/mod.ts";
import { needsOf, parseGoogleCredentials } from "../../../../src/storage/backends/gcs/credential_file.ts";
import {
  credentialOrigin,
  googleEndpoint,
  payingProject,
} from "../../../../src/storage/backends/gcs/settings.ts";
import { requiredPermissions } from "../../../../src/storage/permissions.ts";
import { parseUri } from "../../../../src/storage/uri.ts";

const ACCOUNT = { type: "service_account", client_email: "r@p", private_key: "the-private-key" };
const USER = {
  type: "authorized_user",
  client_id: "c",
  client_secret: "the-client-secret",
  refresh_token: "the-refresh-token",
};
const FEDERATION = {
  type: "external_account",
  audience: "//iam.googleapis.com/a",
  subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  credential_source: { file: "/var/run/token" },
};
const ACT_AS = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/r@p:generateAccessToken";
const AWS = {
  environment_id: "aws1",
  region_url: "http://169.254.169.254/latest/meta-data/placement/availability-zone",
  url: "http://169.254.169.254/latest/meta-data/iam/security-credentials",
  regional_cred_verification_url:
    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
};

function settings(json: unknown, values: Record<string, string> = {}): StoreSettings {
  const secrets = json === undefined
    ? {}
    : { json: new Secret(typeof json === "string" ? json : JSON.stringify(json)) };
  return { kind: "google", values, secrets };
}

// ---------------------------------------------------------------- credential files

for (
  const [what, json, urls, paths] of [
    ["a service account", ACCOUNT, ["https://oauth2.googleapis.com/token"], []],
    ["its own token_uri", { ...ACCOUNT, token_uri: "https://t.example/x" }, ["https://t.example/x"], []],
    ["a user", USER, ["https://oauth2.googleapis.com/token"], []],
    ["federation by file", FEDERATION, ["https://sts.googleapis.com/v1/token"], ["/var/run/token"]],
    [
      "federation by URL, acting as a service account",
      {
        ...FEDERATION,
        credential_source: { url: "http://169.254.169.254/metadata/identity" },
        service_account_impersonation_url: ACT_AS,
      },
      ["https://sts.googleapis.com/v1/token", ACT_AS, "http://169.254.169.254/metadata/identity"],
      [],
    ],
    [
      "federation from AWS",
      { ...FEDERATION, credential_source: AWS },
      ["https://sts.googleapis.com/v1/token", AWS.region_url, AWS.url],
      [],
    ],
    [
      "a service account to act as",
      {
        type: "impersonated_service_account",
        service_account_impersonation_url: ACT_AS,
        source_credentials: USER,
      },
      ["https://oauth2.googleapis.com/token", "https://iamcredentials.googleapis.com"],
      [],
    ],
  ] as const
) {
  Deno.test(`google credentials: ${what} needs ${urls.length} URLs and ${paths.length} files`, () => {
    const credentials = parseGoogleCredentials(JSON.stringify(json), "the file");
    assert.deepEqual(needsOf(credentials), { urls, paths });
    assert.doesNotMatch(
      `${JSON.stringify(credentials)} ${Deno.inspect(credentials)}`,
      /the-(private|client|refresh)/,
    );
  });
}

for (
  const [what, json, code, pattern] of [
    ["no JSON", "the-private-key {", "config", /of the file: not a JSON object$/],
    ["a list", [], "config", /not a JSON object$/],
    ["no type", { ...ACCOUNT, type: undefined }, "config", /field "type" is missing$/],
    [
      "another type",
      { type: "x" },
      "unsupported",
      /type "x", expected one of service_account, authorized_user, /,
    ],
    [
      "a type of gcloud's",
      { type: "external_account_authorized_user" },
      "unsupported",
      /; use a service account or/,
    ],
    ["a type that is no text", { type: 5 }, "config", /field "type" is no text$/],
    ["no key", { ...ACCOUNT, private_key: "" }, "config", /field "private_key" is missing$/],
    ["no address", { ...ACCOUNT, client_email: null }, "config", /field "client_email" is missing$/],
    [
      "a plain token_uri",
      { ...ACCOUNT, token_uri: "http://t.example/" },
      "config",
      /"token_uri" is no https URL$/,
    ],
    [
      "a token_uri that is none",
      { ...USER, token_uri: "t.example" },
      "config",
      /"token_uri" is no https URL$/,
    ],
    ["no refresh token", { ...USER, refresh_token: undefined }, "config", /"refresh_token" is missing$/],
    [
      "no source",
      { ...FEDERATION, credential_source: undefined },
      "config",
      /"credential_source" is missing$/,
    ],
    [
      "a source that is no object",
      { ...FEDERATION, credential_source: "x" },
      "config",
      /"credential_source" is no object$/,
    ],
    [
      "an empty source",
      { ...FEDERATION, credential_source: {} },
      "config",
      /expected one of the fields "file", "url"/,
    ],
    [
      "two sources",
      { ...FEDERATION, credential_source: { file: "/f", url: "http://u" } },
      "config",
      /expected one of/,
    ],
    [
      "a program",
      { ...FEDERATION, credential_source: { executable: {} } },
      "config",
      /"executable" is not supported/,
    ],
    [
      "a certificate",
      { ...FEDERATION, credential_source: { certificate: {} } },
      "config",
      /"certificate" is not supp/,
    ],
    [
      "a URL of files",
      { ...FEDERATION, credential_source: { url: "file:///x" } },
      "config",
      /no http or https URL$/,
    ],
    [
      "a JSON token without field",
      { ...FEDERATION, credential_source: { file: "/f", format: { type: "json" } } },
      "config",
      /"subject_token_field_name" is missing$/,
    ],
    [
      "another cloud",
      { ...FEDERATION, credential_source: { ...AWS, environment_id: "aws2" } },
      "config",
      /not "aws1"$/,
    ],
    [
      "nobody to act as",
      {
        type: "impersonated_service_account",
        service_account_impersonation_url: "https://e/x",
        source_credentials: USER,
      },
      "config",
      /names no service account$/,
    ],
    [
      "acting as somebody who acts as somebody",
      {
        type: "impersonated_service_account",
        service_account_impersonation_url: ACT_AS,
        source_credentials: {
          type: "impersonated_service_account",
          service_account_impersonation_url: ACT_AS,
          source_credentials: USER,
        },
      },
      "config",
      /impersonates a service account itself$/,
    ],
  ] as const
) {
  Deno.test(`google credentials: ${what} is refused by name`, () => {
    const text = typeof json === "string" ? json : JSON.stringify(json);
    assert.throws(() => parseGoogleCredentials(text, "the file"), (thrown: Error) => {
      codeIs(code, pattern)(thrown);
      assert.doesNotMatch(Deno.inspect(thrown), /the-(private|client|refresh)/);
      return true;
    });
  });
}

// ---------------------------------------------------------------- settings

for (
  const [values, env, url, isAnonymous] of [
    [{}, {}, "https://storage.googleapis.com", false],
    [{}, { STORAGE_EMULATOR_HOST: "localhost:4443" }, "http://localhost:4443", true],
    [{}, { STORAGE_EMULATOR_HOST: "https://emulator" }, "https://emulator", true],
    [{ endpoint: "private.googleapis.com" }, {}, "https://private.googleapis.com", false],
    [{ endpoint: "http://h:1" }, { STORAGE_EMULATOR_HOST: "localhost:4443" }, "http://h:1", false],
  ] as const
) {
  Deno.test(`google settings: the endpoint of ${JSON.stringify(values)} and ${JSON.stringify(env)} is ${url}`, () => {
    const endpoint = googleEndpoint(settings(undefined, values), env);
    assert.deepEqual([endpoint.url, endpoint.isAnonymous], [url, isAnonymous]);
  });
}

for (
  const [what, json, env, kind] of [
    ["an emulator", "{}", { STORAGE_EMULATOR_HOST: "h", GOOGLE_APPLICATION_CREDENTIALS: "/f" }, "anonymous"],
    ["the text of a file", "{}", { GOOGLE_APPLICATION_CREDENTIALS: "/f", HOME: "/h" }, "text"],
    ["an empty text", " ", { GOOGLE_APPLICATION_CREDENTIALS: "/f", HOME: "/h" }, "file"],
    ["a file", undefined, { GOOGLE_APPLICATION_CREDENTIALS: "/f", HOME: "/h" }, "file"],
    ["an empty variable", undefined, { GOOGLE_APPLICATION_CREDENTIALS: "", HOME: "/h" }, "ambient"],
    ["nothing", undefined, {}, "ambient"],
  ] as const
) {
  Deno.test(`google settings: ${what} means ${kind} credentials`, () => {
    assert.equal(credentialOrigin(settings(json), env).kind, kind);
  });
}

// ---------------------------------------------------------------- reach

const STORE = "storage.googleapis.com:443";
const FILES: Record<string, string> = {
  "/key.json": JSON.stringify({ ...ACCOUNT, token_uri: "https://t.example/token" }),
  "/federation.json": JSON.stringify(FEDERATION),
  "/h/.config/gcloud/application_default_credentials.json": JSON.stringify(USER),
};

for (
  const [what, json, env, hosts, paths] of [
    ["an emulator", undefined, { STORAGE_EMULATOR_HOST: "localhost:4443" }, ["localhost:4443"], []],
    ["a key in the settings", ACCOUNT, {}, [STORE, "oauth2.googleapis.com:443"], []],
    ["a key that cannot be used", "{", {}, [STORE], []],
    [
      "a key file",
      undefined,
      { GOOGLE_APPLICATION_CREDENTIALS: "/key.json" },
      [STORE, "t.example:443"],
      ["/key.json"],
    ],
    [
      "a file that names another",
      undefined,
      { GOOGLE_APPLICATION_CREDENTIALS: "/federation.json" },
      [STORE, "sts.googleapis.com:443"],
      ["/federation.json", "/var/run/token"],
    ],
    [
      "a file that is not there yet",
      undefined,
      { GOOGLE_APPLICATION_CREDENTIALS: "later.json" },
      [STORE, "iamcredentials.googleapis.com:443", "oauth2.googleapis.com:443", "sts.googleapis.com:443"],
      ["/cwd/later.json"],
    ],
    [
      "gcloud's file",
      undefined,
      { HOME: "/h" },
      [STORE, "oauth2.googleapis.com:443"],
      ["/h/.config/gcloud/application_default_credentials.json"],
    ],
    [
      "nothing: the metadata server",
      undefined,
      { HOME: "/x" },
      [STORE, "169.254.169.254:80"],
      ["/x/.config/gcloud/application_default_credentials.json"],
    ],
    [
      "a metadata server of its own, and a proxy",
      undefined,
      { GCE_METADATA_HOST: "metadata:8080", HTTPS_PROXY: "http://proxy:3128" },
      [STORE, "metadata:8080", "proxy:3128"],
      [],
    ],
  ] as const
) {
  Deno.test(`google settings: ${what}: reaches ${hosts.length} hosts and ${paths.length} files`, () => {
    const context = { env, cwd: "/cwd", readText: (path: string) => FILES[path] ?? null };
    const reach = requiredPermissions(parseUri("gs://b/k", "the URI"), settings(json), context);
    assert.deepEqual({ hosts: reach.hosts.toSorted(), paths: reach.paths.toSorted() }, {
      hosts: [...hosts].sort(),
      paths: [...paths].sort(),
    });
  });
}

Deno.test("google settings: another universe is refused by name", () => {
  const env = { GOOGLE_CLOUD_UNIVERSE_DOMAIN: "example.goog" };
  assert.throws(
    () => credentialOrigin(settings(ACCOUNT), env),
    codeIs("unsupported", "GOOGLE_CLOUD_UNIVERSE_DOMAIN", "example.goog"),
  );
  credentialOrigin(settings(ACCOUNT), { GOOGLE_CLOUD_UNIVERSE_DOMAIN: "googleapis.com" });
  assert.throws(
    () => parseGoogleCredentials(JSON.stringify({ ...ACCOUNT, universe_domain: "example.goog" }), "x"),
    codeIs("config", "universe_domain", "example.goog"),
  );
  parseGoogleCredentials(JSON.stringify({ ...ACCOUNT, universe_domain: "googleapis.com" }), "x");
});

Deno.test("google settings: who pays for requests", () => {
  const requester = { request_payer: "requester" };
  assert.equal(payingProject(settings(undefined, { project_id: "p" }), {}), undefined);
  assert.equal(payingProject(settings(undefined, { ...requester, project_id: "p" }), {}), "p");
  assert.equal(payingProject(settings(undefined, requester), { GOOGLE_CLOUD_PROJECT: "q" }), "q");
  assert.throws(() => payingProject(settings(undefined, requester), {}), codeIs("config", "project_id"));
  assert.throws(
    () => payingProject(settings(undefined, { request_payer: "owner" }), {}),
    codeIs("config", "owner", "expected requester"),
  );
});
