import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { type DownloadCommand, parse, resolve } from "../../src/cli/mod.ts";
import { Secret, secretValues, settingsFor, type StorageConfig } from "../../src/config/mod.ts";
import { pack, unpack } from "../../src/sandbox/messages.ts";
import type { ConfigFile } from "../../src/cli/config_files.ts";

const DOWNLOAD = ["download", "-f", "s3://b/in", "--to-output-prefix", "s3://b/out", "-o", "/d"];

interface Layers {
  flags?: string[];
  env?: Record<string, string>;
  files?: string[];
}

async function resolved({ flags = [], env = {}, files = [] }: Layers): Promise<DownloadCommand> {
  const named: ConfigFile[] = files.map((text, index) => ({ name: `/etc/${index}.yaml`, text }));
  return await resolve(parse([...DOWNLOAD, ...flags]), env, named) as DownloadCommand;
}

async function storage(layers: Layers): Promise<StorageConfig> {
  return (await resolved(layers)).storage;
}

async function refusal(layers: Layers): Promise<CopilotError> {
  try {
    await resolved(layers);
  } catch (thrown) {
    assert(thrown instanceof CopilotError);
    assert.match(thrown.message, /^[A-Z].*[^.]$/s);
    return thrown;
  }
  return assert.fail(`accepted: ${JSON.stringify(layers)}`);
}

Deno.test("precedence: flag, environment with dots, environment with underscores, last file, first file, default", async () => {
  const flags = ["--storage.connection.region=flag"];
  const dotted = { "STORAGE.CONNECTION.REGION": "dotted" };
  const underscored = { STORAGE_CONNECTION_REGION: "underscored" };
  const first = "storage: {connection: {region: first}}";
  const last = "storage: {connection: {region: last}}";
  const cases: [Layers, string][] = [
    [{ flags, env: { ...dotted, ...underscored }, files: [first, last] }, "flag"],
    [{ env: { ...dotted, ...underscored }, files: [first, last] }, "dotted"],
    [{ env: underscored, files: [first, last] }, "underscored"],
    [{ env: { "STORAGE.CONNECTION.REGION": "" }, files: [first, last] }, "last"],
    [{ files: [first, last] }, "last"],
    [{ files: [first, "logger: {level: 4}"] }, "first"],
    [{ files: [first, "storage: {connection: {region: }}"] }, "first"],
    [{}, ""],
    [{ flags: ["--storage.connection.region="], files: [first] }, ""],
  ];
  for (const [layers, region] of cases) {
    assert.equal((await storage(layers)).primary.values.region ?? "", region, JSON.stringify(layers));
  }
});

Deno.test("precedence: a typed setting from each layer", async () => {
  const bytes = async (layers: Layers) => (await storage(layers)).maxDownloadBytes;
  const files = ["storage: {limits: {maxDownloadMBs: 5}}"];
  assert.equal(await bytes({}), 2 * 1024 * 1024);
  assert.equal(await bytes({ files }), 5 * 1024 * 1024);
  assert.equal(await bytes({ files, env: { "STORAGE.LIMITS.MAXDOWNLOADMBS": "7" } }), 7 * 1024 * 1024);
  assert.equal(await bytes({ files, flags: ["--storage.limits.maxDownloadMBs=0"] }), 0);
});

Deno.test("stow.config: the command line's map and the environment's replace the files' as a whole", async () => {
  const files = [
    "storage: {stow: {config: {endpoint: f, region: f1}}}",
    "storage: {stow: {config: {region: f2}}}",
  ];
  const values = async (layers: Layers) => (await storage(layers)).primary.values;
  assert.deepEqual(await values({ files }), { endpoint: "f", region: "f2" });
  assert.deepEqual(await values({ files, env: { STORAGE_STOW_CONFIG: "region=e,disable_ssl=true" } }), {
    region: "e",
    disable_ssl: "true",
  });
  const flags = ["--storage.stow.config", "region=c"];
  assert.deepEqual(await values({ files, flags, env: { STORAGE_STOW_CONFIG: "region=e" } }), { region: "c" });
  // The kind is a flag of its own: it does not touch the map.
  assert.deepEqual(await values({ files, flags: ["--storage.stow.kind=s3"] }), {
    endpoint: "f",
    region: "f2",
  });
  assert.deepEqual(await values({}), {});
});

Deno.test("files: keys in any case, values as they are written, one file per key of a Secret", async () => {
  const config = await storage({
    files: [
      "Storage:\n  Stow:\n    Config:\n      ACCESS_KEY_ID: 0123\n",
      "storage.stow.config.secret_key: 1e5\n",
      'storage: {stow: {config: {region: "007", token: null}}, LIMITS: {MAXdownloadMBs: 3}}',
      "",
      "# nothing but a comment\n",
    ],
  });
  assert.deepEqual(config.primary.values, { access_key_id: "0123", region: "007" });
  assert.equal(config.primary.secrets["secret_key"]!.reveal(), "1e5");
  assert.equal(config.maxDownloadBytes, 3 * 1024 * 1024);
});

Deno.test("files: aliases are followed, multi-line text is kept but for the line break at its end", async () => {
  const config = await storage({
    files: [
      'storage:\n  stow:\n    kind: google\n    config: &c\n      json: |\n        {\n          "type": 1\n        }\n' +
      "  schemes: {gs: {kind: google, config: *c}}\n",
    ],
  });
  assert.equal(config.primary.secrets["json"]!.reveal(), '{\n  "type": 1\n}');
  assert.equal(config.schemes["gs"]!.secrets["json"]!.reveal(), '{\n  "type": 1\n}');
});

Deno.test("files: every key of the original's flags is known", async () => {
  const { warnings } = await resolved({
    files: [
      "storage:\n  cache: {max_size_mbs: 1, target_gc_percent: 2}\n" +
      "  defaultHttpClient: {timeout: 1s, idleConnTimeout: 1s, maxConnsPerHost: 1, maxIdleConns: 1, maxIdleConnsPerHost: 1}\n" +
      "logger: {level: 4, show-source: true, mute: false, formatter: {type: text}}\notel: {type: noop}\n",
    ],
  });
  assert.deepEqual(warnings, []);
});

Deno.test("files: what is refused names file and key", async () => {
  const cases: [string, RegExp][] = [
    ["storage: {bucket: b}", /"\/etc\/0.yaml": unknown key "storage.bucket"/],
    ["storage: {containr: b}", /unknown key "storage.containr", did you mean "storage.container"/],
    ["storage: {a: 1, b: 2}", /unknown keys "storage.a", "storage.b"/],
    ["propeller: {workers: 1}", /unknown key "propeller.workers", expected keys of logger, otel, storage/],
    ["storage: {type: {a: b}}", /unknown key "storage.type.a"/],
    ["storage: s3", /"storage" is no map/],
    ["storage: {stow: {config: a=b}}", /"storage.stow.config" is no map/],
    ["storage: {container: [a]}", /"storage.container" is a list/],
    ["- a", /it is no map/],
    ["text", /it is no map/],
    ["a: b: c", /line 1, column \d+ is not valid YAML/],
    ["a: *nowhere", /refers to nothing/],
    ["storage: &s\n  stow: *s", /nested too deeply/],
    ["a: 1\n---\nb: 2", /MULTIPLE_DOCS/],
    ["storage: {type: tape}", /"storage.type" of "\/etc\/0.yaml" "tape": expected one of stow/],
    ["storage: {schemes: {gs: {kind: tape}}}", /storage.schemes.gs.kind "tape": expected one of s3/],
    ["storage: {enable-multicontainer: 'yes'}", /expected true or false/],
    ["storage: {limits: {maxDownloadMBs: many}}", /expected a whole number/],
  ];
  for (const [text, pattern] of cases) {
    const error = await refusal({ files: [text] });
    assert.equal(error.code, "config", text);
    assert.match(error.message, pattern, text);
  }
});

Deno.test("files: aliases of aliases end in an error, not in memory", async () => {
  const levels = ["a: &l0 {x: 1, y: 2}"];
  for (let i = 1; i < 8; i++) levels.push(`l${i}: &l${i} [${Array(9).fill(`*l${i - 1}`).join(",")}]`);
  assert.equal((await refusal({ files: [levels.join("\n")] })).code, "config");
  const maps = ["l0: &l0 {x: 1}"];
  for (let i = 1; i < 7; i++) {
    maps.push(`l${i}: &l${i} {${Array.from({ length: 12 }, (_, j) => `k${j}: *l${i - 1}`).join(",")}}`);
  }
  assert.match((await refusal({ files: [maps.join("\n")] })).message, /too large/);
});

Deno.test("files and environment: no error repeats a secret", async () => {
  const secret = "Sw0rdf1sh/Sw0rdf1sh";
  const cases: Layers[] = [
    { files: [`storage: {connection: {secret-key: [${secret}]}}`] },
    { files: [`a: b: ${secret}`] },
    { files: [`storage: {stow: {config: secret_key=${secret}}}`] },
    { files: [`secret_key: ${secret}`] },
    { files: [`storage: {stow: "${secret}`] },
    { files: [`${secret}`] },
    { env: { STORAGE_STOW_CONFIG: secret } },
  ];
  for (const layers of cases) {
    const error = await refusal(layers);
    assert(
      !Deno.inspect(error, { depth: 20 }).includes("Sw0rdf1sh"),
      Deno.inspect(error).replaceAll("Sw0rdf1sh", "<secret>"),
    );
  }
});

Deno.test("environment: a bad value names the variable", async () => {
  const error = await refusal({ env: { "LOGGER.LEVEL": "loud" } });
  assert.equal(error.code, "usage");
  assert.match(error.message, /the environment variable LOGGER.LEVEL "loud": expected a whole number/);
});

Deno.test("types s3 and minio: storage.connection in stow's keys, also from the environment", async () => {
  const text =
    "storage: {type: minio, connection: {endpoint: 'http://m:9000', auth-type: accesskey, access-key: minio1, " +
    "secret-key: miniosecret, region: r, disable-ssl: true}}";
  const { primary } = await storage({ files: [text], env: { "STORAGE.CONNECTION.REGION": "r-env" } });
  assert.equal(primary.kind, "s3");
  assert.deepEqual(primary.values, {
    endpoint: "http://m:9000",
    auth_type: "accesskey",
    access_key_id: "minio1",
    region: "r-env",
    disable_ssl: "true",
  });
  assert.equal(primary.secrets["secret_key"]!.reveal(), "miniosecret");
  assert.equal((await storage({ files: [text], flags: ["--storage.type=s3"] })).primary.kind, "s3");
});

Deno.test("types redis, local and mem", async () => {
  const redis = await storage({
    flags: ["--storage.type=redis"],
    env: { STORAGE_CONNECTION_ENDPOINT: "h:6379", STORAGE_CONNECTION_SECRET_KEY: "pass" },
  });
  assert.deepEqual(redis.primary.values, { endpoint: "h:6379" });
  assert.equal(redis.primary.secrets["password"]!.reveal(), "pass");
  assert.deepEqual((await storage({ flags: ["--storage.type=mem"] })).primary, {
    kind: "mem",
    values: {},
    secrets: {},
  });
  const local = await storage({ flags: ["--storage.type=local", "--storage.stow.config=path=/p"] });
  assert.deepEqual(local.primary, { kind: "local", values: { path: "/p" }, secrets: {} });
});

Deno.test("stow.config: keys that the kind does not know are passed on with a warning, and hidden if they look secret", async () => {
  const { storage: config, warnings } = await resolved({
    flags: ["--storage.stow.config", "regoin=x,secretkey=hidden,sas_token=hidden"],
  });
  assert.deepEqual(config.primary.values, { regoin: "x" });
  assert.deepEqual(Object.keys(config.primary.secrets), ["secretkey", "sas_token"]);
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0]!,
    /storage.stow.config has keys that s3 does not know: "regoin", did you mean "region"; "secretkey", did you mean "secret_key"; "sas_token" \(known: auth_type/,
  );
  const google = await resolved({
    flags: ["--storage.stow.kind=google", "--storage.stow.config=region=us-east-1"],
  });
  assert.deepEqual(google.warnings, []);
});

const STORES = {
  files: [
    "storage:\n  stow: {kind: s3, config: {region: r, secret_key: topsecret}}\n  schemes:\n" +
    "    gs: {kind: google, config: {project_id: p}}\n    abfs: {config: {account: a, key: azkey}}\n",
  ],
};

Deno.test("settingsFor: the configured store for its schemes, else storage.schemes, else ambient", async () => {
  const { storage: config, warnings } = await resolved(STORES);
  assert.deepEqual(warnings, []);
  const cases: [string, string, Record<string, string>][] = [
    ["s3", "s3", { region: "r" }],
    ["gs", "google", { project_id: "p" }],
    ["abfs", "azure", { account: "a" }],
    ["abfss", "azure", {}],
    ["file", "local", {}],
    ["http", "http", {}],
    ["https", "http", {}],
    ["redis", "redis", {}],
    ["sw", "swift", {}],
    ["os", "oracle", {}],
    ["mem", "mem", {}],
    ["ftp", "ftp", {}],
    ["constructor", "constructor", {}],
  ];
  for (const [scheme, kind, values] of cases) {
    const settings = settingsFor(scheme, config);
    assert.equal(settings.kind, kind, scheme);
    assert.deepEqual(settings.values, values, scheme);
  }
  const azure = await resolved({
    ...STORES,
    flags: ["--storage.stow.kind=azure", "--storage.stow.config=account=x"],
  });
  assert.equal(settingsFor("abfss", azure.storage).values["account"], "x");
  assert.match(azure.warnings[0]!, /storage.schemes.abfs is not used: the configured store \(azure\)/);
});

Deno.test("the configuration crosses to a Worker and back with its secrets, and shows none on either side", async () => {
  const config = await storage(STORES);
  const back = unpack<StorageConfig>(structuredClone(pack(config)));
  assert.deepEqual(JSON.parse(JSON.stringify(back)), JSON.parse(JSON.stringify(config)));
  assert.equal(back.primary.secrets["secret_key"]!.reveal(), "topsecret");
  assert.equal(back.schemes["abfs"]!.secrets["key"]!.reveal(), "azkey");
  for (
    const shown of [
      JSON.stringify(back),
      Deno.inspect(back, { depth: 9 }),
      `${back.primary.secrets["secret_key"]}`,
    ]
  ) {
    assert(!shown.includes("topsecret") && !shown.includes("azkey"));
    assert(shown.includes("***"));
  }
});

Deno.test("Secret: prints as *** whichever way", () => {
  const secret = new Secret("topsecret");
  for (
    const shown of [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      Deno.inspect([secret]),
      secret + "",
    ]
  ) {
    assert(!shown.includes("topsecret") && shown.includes("***"), shown);
  }
  assert.deepEqual(Object.keys(secret), []);
  assert.equal(secret.reveal(), "topsecret");
});

Deno.test("secretValues: all that a run knows", async () => {
  const config = await storage({
    files: ["storage: {schemes: {s3: {config: {secret_key: s3secret, token: ''}}}}"],
    flags: [
      "--storage.stow.kind=google",
      '--storage.stow.config=json={"private_key":"-----BEGIN PRIVATE KEY-----\\nMIIabc\\n"}',
    ],
  });
  const values = secretValues(config, {
    AWS_SECRET_ACCESS_KEY: "envsecret",
    HTTPS_PROXY: "http://user:proxypass@proxy:3128",
    HTTP_PROXY: "http://proxy:3128",
    PATH: "/bin",
  });
  assert(values.includes("s3secret") && values.includes("envsecret") && values.includes("proxypass"));
  assert(values.some((value) => value.startsWith("-----BEGIN PRIVATE KEY-----")));
  assert(!values.includes("") && !values.includes("/bin") && !values.some((value) => value.includes("3128")));
  const minio = await storage({
    flags: ["--storage.type=minio"],
    env: { STORAGE_CONNECTION_ACCESS_KEY: "access1", STORAGE_CONNECTION_SECRET_KEY: "secret1" },
  });
  assert.deepEqual(secretValues(minio, {}).sort(), ["access1", "secret1"]);
});
