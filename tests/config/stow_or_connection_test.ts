/**
 * Which section describes the store: `storage.stow` wins whatever `storage.type` says, `storage.connection` counts without it.
 */
import assert from "assert";
import { type DownloadCommand, parse, resolve } from "../../src/cli/mod.ts";
import { secretValues, type StorageConfig } from "../../src/config/mod.ts";

const DOWNLOAD = ["download", "-f", "s3://b/in", "--to-output-prefix", "s3://b/out", "-o", "/d"];

async function storage(
  flags: readonly string[],
  { env = {}, file = "" }: { env?: Record<string, string>; file?: string } = {},
): Promise<StorageConfig> {
  const command = await resolve(parse([...DOWNLOAD, ...flags]), env, [{ name: "/c.yaml", text: file }]);
  return (command as DownloadCommand).storage;
}

const TYPES = ["stow", "s3", "minio"] as const;
const CONNECTION = {
  flags: ["--storage.connection.endpoint=http://conn:9000", "--storage.connection.access-key=connkey"],
  env: { "STORAGE.CONNECTION.ENDPOINT": "http://conn:9000", STORAGE_CONNECTION_ACCESS_KEY: "connkey" },
  file: "storage: {connection: {endpoint: 'http://conn:9000', access-key: connkey}}",
};
const STOW = {
  flags: ["--storage.stow.config=endpoint=http://stow:9000,access_key_id=stowkey"],
  env: { STORAGE_STOW_CONFIG: "endpoint=http://stow:9000,access_key_id=stowkey" },
  file: "storage: {stow: {config: {endpoint: 'http://stow:9000', access_key_id: stowkey}}}",
};

for (const type of TYPES) {
  Deno.test(`storage.type ${type}: stow.config wins over storage.connection, from wherever both come`, async () => {
    const typed = [`--storage.type=${type}`];
    for (
      const [flags, layers] of [
        [[...STOW.flags, ...CONNECTION.flags], {}],
        [CONNECTION.flags, { env: STOW.env }],
        [CONNECTION.flags, { file: STOW.file }],
        [STOW.flags, { env: CONNECTION.env }],
        [STOW.flags, { file: CONNECTION.file }],
        [[], { env: CONNECTION.env, file: STOW.file }],
        [[], { env: STOW.env, file: CONNECTION.file }],
        [["--storage.stow.config=region=us-east-1"], { file: CONNECTION.file }],
      ] as const
    ) {
      const { primary } = await storage([...typed, ...flags], layers);
      assert.equal(primary.kind, "s3");
      assert.notEqual(primary.values.endpoint, "http://conn:9000", JSON.stringify([flags, layers]));
      assert.notEqual(primary.values.access_key_id, "connkey");
    }
  });

  Deno.test(`storage.type ${type}: without stow.config storage.connection counts, although stow has defaults`, async () => {
    const typed = [`--storage.type=${type}`];
    for (
      const [flags, layers] of [
        [CONNECTION.flags, {}],
        [[...CONNECTION.flags, "--storage.stow.kind=s3"], {}],
        [[], { env: CONNECTION.env }],
        [[], { file: CONNECTION.file }],
      ] as const
    ) {
      const { primary } = await storage([...typed, ...flags], layers);
      assert.equal(primary.kind, "s3");
      assert.deepEqual(primary.values, { endpoint: "http://conn:9000", access_key_id: "connkey" });
    }
  });

  Deno.test(`storage.type ${type}: the stow kind decides, also without any config`, async () => {
    const { primary } = await storage([
      `--storage.type=${type}`,
      "--storage.stow.kind=google",
      ...CONNECTION.flags,
    ]);
    assert.deepEqual(primary, { kind: "google", values: {}, secrets: {} });
  });
}

Deno.test("storage.connection: every key as a flag, its secrets hidden", async () => {
  const config = await storage([
    "--storage.type=minio",
    "--storage.connection.endpoint",
    "h:9000",
    "--storage.connection.auth-type=accesskey",
    "--storage.connection.access-key=connkey",
    "--storage.connection.secret-key=consecret",
    "--storage.connection.region=eu-west-1",
    "--storage.connection.disable-ssl=true",
  ]);
  assert.deepEqual(config.primary.values, {
    endpoint: "h:9000",
    auth_type: "accesskey",
    access_key_id: "connkey",
    region: "eu-west-1",
    disable_ssl: "true",
  });
  assert.equal(config.primary.secrets.secret_key!.reveal(), "consecret");
  assert.deepEqual(secretValues(config, {}).sort(), ["connkey", "consecret"]);
});

Deno.test("settings: line breaks and blanks around a value are cut off, from every source and for every kind", async () => {
  const cases: [string, Record<string, string>][] = [
    ["s3", {
      access_key_id: "a",
      secret_key: "s",
      token: "t",
      region: "r",
      endpoint: "http://e",
      auth_type: "accesskey",
    }],
    ["google", { json: '{"type": "x"}', project_id: "p", endpoint: "http://e" }],
    ["azure", { account: "a", key: "k", domain_suffix: "d" }],
    ["swift", { access_key_id: "a", secret_key: "s", endpoint: "http://e" }],
    ["oracle", { access_key_id: "a", secret_key: "s", endpoint: "http://e" }],
    ["redis", { endpoint: "h:1", username: "u", password: "p" }],
  ];
  for (const [kind, clean] of cases) {
    const dirty = Object.entries(clean).map(([key, value]) => [key, `${value} \n`] as const);
    const chosen = `--storage.stow.kind=${kind}`;
    const flags = dirty.map(([key, value]) => `--storage.stow.config=${key}=${value}`);
    const yaml = dirty.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ");
    for (
      const { primary } of [
        await storage([chosen, ...flags]),
        await storage([chosen], { file: `storage: {stow: {config: {${yaml}}}}` }),
        ...await Promise.all(
          dirty.map(([key, value]) => storage([chosen], { env: { STORAGE_STOW_CONFIG: `${key}=${value}` } })),
        ),
      ]
    ) {
      const secrets = Object.entries(primary.secrets).map(([key, secret]) => [key, secret.reveal()]);
      const values = { ...primary.values, ...Object.fromEntries(secrets) };
      for (const [key, value] of Object.entries(values)) assert.equal(value, clean[key], `${kind} ${key}`);
    }
  }
  const schemes = await storage([], { file: 'storage: {schemes: {gs: {config: {json: "{}\\n"}}}}' });
  assert.equal(schemes.schemes.gs!.secrets.json!.reveal(), "{}");
  const connection = await storage(["--storage.type=s3", "--storage.connection.secret-key=x\n"]);
  assert.equal(connection.primary.secrets.secret_key!.reveal(), "x");
  const type = await storage([], { file: 'storage: {type: "mem\\n"}' });
  assert.equal(type.primary.kind, "mem");
});
