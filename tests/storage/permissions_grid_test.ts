/**
 * What is dialled is among what the run asks for: every backend is opened with a grid of settings on a network that only takes
 * down whom it was to connect to.
 */
import assert from "assert";
import { Secret, type StoreSettings, storeSettings } from "../../src/config/mod.ts";
import { CopilotError } from "../../src/errors.ts";
import type { BackendContext } from "../../src/storage/backend.ts";
import { openStore } from "../../src/storage/backends/mod.ts";
import { requiredPermissions } from "../../src/storage/permissions.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import type { System } from "../../src/system/mod.ts";

type Values = Readonly<Record<string, string>>;

/** A file that every setting may name. */
const TOKEN_FILE = "/var/run/token";
const FILES: Readonly<Record<string, string>> = {
  [TOKEN_FILE]: "a.token",
  "/etc/google.json": JSON.stringify({
    type: "external_account",
    audience: "a",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: "https://sts.example.com/v1/token",
    credential_source: { file: TOKEN_FILE },
  }),
  "/etc/aws": `[p]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = ${TOKEN_FILE}\n`,
};

/** A machine with those files, and nobody who answers. */
function unreachable(dialled: string[]): System {
  const text = (path: string) => {
    const found = FILES[path];
    if (found === undefined) throw new CopilotError("not-found", "No such file");
    return new TextEncoder().encode(found);
  };
  return {
    ...sys,
    clock: { ...sys.clock, sleep: () => Promise.resolve() },
    files: {
      ...sys.files,
      stat: (path) => FILES[path] === undefined ? null : sys.files.stat("/"),
      readFile: text,
      readHead: text,
    },
    network: {
      ...sys.network,
      connect(hostname, port) {
        dialled.push(`${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
        return Promise.reject(new CopilotError("network", "Nobody answers"));
      },
    },
  };
}

function isPermitted(host: string, permitted: readonly string[]): boolean {
  const name = host.replace(/:[0-9]+$/, "");
  return permitted.some((one) =>
    one === host || one === name || (one.startsWith("*.") && name.endsWith(one.slice(1)))
  );
}

/** What a store dials and what was asked for it; null for settings that it refuses. */
async function dialledBy(uri: string, settings: StoreSettings, env: Values) {
  const dialled: string[] = [];
  const context: BackendContext = {
    system: unreachable(dialled),
    env,
    caCerts: [],
    allow: () => Promise.resolve(),
    signal: AbortSignal.timeout(10_000),
  };
  const parsed = parseUri(uri, "the URI");
  const readText = (path: string) => FILES[path] ?? null;
  try {
    const permitted = requiredPermissions(parsed, settings, { env, cwd: "/", readText });
    const store = await openStore(parsed, settings, context);
    await store.head("k", { signal: context.signal }).catch(() => {});
    store.close();
    return { dialled, permitted };
  } catch (thrown) {
    assert(thrown instanceof CopilotError, String(thrown));
    assert.notEqual(thrown.code, "internal");
    return null;
  }
}

/** Every choice of one value for each name; undefined leaves it out. */
function* grid(axes: Readonly<Record<string, readonly (string | undefined)[]>>): Generator<Values> {
  const [name, ...rest] = Object.keys(axes);
  if (name === undefined) return yield {};
  const { [name]: values, ...others } = axes;
  for (const choice of grid(rest.length === 0 ? {} : others)) {
    for (const value of values!) yield value === undefined ? choice : { ...choice, [name]: value };
  }
}

const PROXIES = {
  HTTPS_PROXY: [undefined, "http://secure-proxy:3128"],
  http_proxy: [undefined, "plain-proxy"],
  NO_PROXY: [undefined, "minio,.example.com"],
};

const CASES: [name: string, uri: string, kind: string, values: Iterable<Values>, envs: Iterable<Values>][] = [
  [
    "s3 with keys",
    "s3://bucket/k",
    "s3",
    grid({
      access_key_id: ["id"],
      secret_key: ["secret"],
      endpoint: [undefined, "", "minio", "minio:9000", "http://minio:9000/base", "https://[::1]:9000"],
      disable_ssl: [undefined, "true", "false"],
      region: [undefined, "us-iso-east-1", "eusc-de-east-1"],
      addressing_style: [undefined, "virtual", "path"],
    }),
    [
      ...grid({
        AWS_ENDPOINT_URL_S3: [undefined, "", "http://s3.local"],
        AWS_ENDPOINT_URL: [undefined, "http://all:1"],
      }),
      {
        HTTPS_PROXY: "http://secure-proxy:3128",
        AWS_USE_FIPS_ENDPOINT: "true",
        AWS_USE_DUALSTACK_ENDPOINT: "true",
      },
    ],
  ],
  [
    "s3 with the platform's credentials",
    "s3://bucket/k",
    "s3",
    grid({
      auth_type: ["iam"],
      endpoint: [undefined, "http://minio:9000"],
      region: ["us-gov-west-1", "cn-north-1", undefined],
    }),
    [
      ...grid({
        ...PROXIES,
        AWS_WEB_IDENTITY_TOKEN_FILE: [TOKEN_FILE],
        AWS_ROLE_ARN: ["arn:aws:iam::1:role/r"],
        AWS_USE_FIPS_ENDPOINT: [undefined, "true"],
        AWS_USE_DUALSTACK_ENDPOINT: [undefined, "true"],
        AWS_ENDPOINT_URL_STS: [undefined, "http://sts.local:81"],
      }),
      ...grid({
        AWS_CONTAINER_CREDENTIALS_FULL_URI: ["http://127.0.0.1:51678/c", "https://agent/c"],
        ...PROXIES,
      }),
      { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/c" },
      ...grid({ AWS_EC2_METADATA_SERVICE_ENDPOINT: [undefined, "http://imds:8080/"] }),
      { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: "IPv6" },
      { AWS_PROFILE: "p", AWS_CONFIG_FILE: "/none", AWS_SHARED_CREDENTIALS_FILE: "/etc/aws" },
    ],
  ],
  [
    "swift",
    "sw://bucket/k",
    "swift",
    grid({ access_key_id: ["id"], secret_key: ["s"], endpoint: ["http://swift:1"] }),
    [{}],
  ],
  [
    "google",
    "gs://bucket/k",
    "google",
    grid({ endpoint: [undefined, "http://fake:4443", "fake", "https://storage.example.com/base"] }),
    grid({
      ...PROXIES,
      STORAGE_EMULATOR_HOST: [undefined, "127.0.0.1:9023"],
      GOOGLE_APPLICATION_CREDENTIALS: [undefined, "/etc/google.json"],
      GCE_METADATA_HOST: [undefined, "metadata:81"],
    }),
  ],
  [
    "azure",
    "abfs://container/k",
    "azure",
    grid({
      account: ["account"],
      key: [undefined, "a2V5"],
      base_url: [undefined, "http://127.0.0.1:10000/account", "core.usgovcloudapi.net"],
      domain_suffix: [undefined, "core.chinacloudapi.cn"],
    }),
    [
      ...grid({ ...PROXIES, AZURE_STORAGE_KEY: [undefined, "a2V5"] }),
      ...grid({
        AZURE_FEDERATED_TOKEN_FILE: [undefined, TOKEN_FILE],
        AZURE_CLIENT_SECRET: ["secret"],
        AZURE_CLIENT_ID: ["id"],
        AZURE_TENANT_ID: ["tenant"],
        AZURE_AUTHORITY_HOST: [undefined, "https://login.example.com/"],
      }),
      { IDENTITY_ENDPOINT: "http://127.0.0.1:42356/token", IDENTITY_HEADER: "h" },
    ],
  ],
  ["azure with an account's host", "abfss://c00@other.dfs.core.windows.net/k", "azure", [{}], grid(PROXIES)],
  ["redis", "redis://host:1/k", "redis", grid({ endpoint: [undefined, "server", "rediss://[::1]:2/3"] }), [
    {},
  ]],
  ["http", "http://user:pass@Host.Example.com:8080/k", "http", [{}], grid(PROXIES)],
  ["https", "https://[2001:db8::1]/k", "http", [{}], grid(PROXIES)],
];

for (const [name, uri, kind, values, envs] of CASES) {
  Deno.test(`permissions: every host that is dialled is asked for: ${name}`, async () => {
    const environments = [...envs];
    let count = 0;
    for (const config of values) {
      for (const env of environments) {
        const found = await dialledBy(uri, storeSettings(kind, config), env);
        if (found === null) continue;
        const where = JSON.stringify({ config, env, ...found.permitted });
        assert(found.dialled.length > 0, `nothing is dialled: ${where}`);
        for (const host of found.dialled) {
          assert(isPermitted(host, found.permitted.hosts), `${host}: ${where}`);
        }
        count++;
      }
    }
    assert(count > 0, "no settings work");
  });
}

Deno.test("permissions: a setting's secret is in none of them", () => {
  const secrets = { password: new Secret("hunter2") };
  const settings = { kind: "redis", values: { endpoint: "h:1" }, secrets };
  const context = { env: { HTTPS_PROXY: "http://user:hunter2@proxy:1" }, cwd: "/" };
  for (const uri of ["redis://h/k", "https://user:hunter2@h/k"]) {
    assert(!JSON.stringify(requiredPermissions(parseUri(uri, "it"), settings, context)).includes("hunter2"));
  }
});
