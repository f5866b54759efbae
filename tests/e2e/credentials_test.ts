/** Credentials of the platform in the compiled binary, whose Worker has no environment and few rights. */
import assert from "assert";
import { decodeLiteralMap, encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { AwsServer, secretsOf, TOKEN } from "../support/aws_server.ts";
import { type Outcome, runCopilot } from "../faults/copilot.ts";
import { blob, FILE, list, listType, literalMap, outputs } from "../support/plans.ts";
import { MACHINE, testWith } from "./harness.ts";

const FILES = 40;
const OTHER_TOKEN = "eyJhbGciOiJub25lIn0.another-token";

/** What the platform puts into a pod for each provider. */
const PROVIDERS: Record<string, (url: string, home: string) => Record<string, string>> = {
  "IRSA": (url, home) => ({
    AWS_ENDPOINT_URL_STS: url,
    AWS_WEB_IDENTITY_TOKEN_FILE: `${home}/token`,
    AWS_ROLE_ARN: "arn:aws:iam::1:role/r",
  }),
  "EKS Pod Identity": (url, home) => ({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: `${home}/token`,
  }),
  "ECS": (url) => ({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: TOKEN,
  }),
  "IMDSv2": (url) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: url }),
  "a profile with a role": (url, home) => ({ AWS_ENDPOINT_URL_STS: url, HOME: home, AWS_PROFILE: "run" }),
  "the default profile with a web identity": (url, home) => ({
    AWS_ENDPOINT_URL_STS: url,
    AWS_CONFIG_FILE: `${home}/web-config`,
    AWS_SHARED_CREDENTIALS_FILE: `${home}/none`,
  }),
};

function writeHome(home: string, token: string): void {
  Deno.mkdirSync(`${home}/.aws`);
  Deno.writeTextFileSync(`${home}/token`, `${token}\n`);
  const role = "role_arn = arn:aws:iam::1:role/r\n";
  Deno.writeTextFileSync(`${home}/.aws/config`, `[profile run]\n${role}source_profile = base\n`);
  const keys = "aws_access_key_id = AKIASTATIC\naws_secret_access_key = static-secret\n";
  Deno.writeTextFileSync(`${home}/.aws/credentials`, `[base]\n${keys}`);
  Deno.writeTextFileSync(`${home}/web-config`, `[default]\n${role}web_identity_token_file = ${home}/token\n`);
}

/** Runs the binary; whatever it says, it shows no secret. */
async function run(server: AwsServer, env: Record<string, string>, args: string[]): Promise<Outcome> {
  const [command, ...flags] = args;
  const config = `auth_type=iam,region=us-east-1,disable_ssl=true,endpoint=${server.url}`;
  const outcome = await runCopilot({
    binary: MACHINE.binary!,
    endpoint: "",
    args: [command!, `--storage.stow.config=${config}`, "--logger.level=6", ...flags],
    env: { HOME: "/nonexistent", ...env },
    boundMs: 60_000,
  });
  const documents = [...server.objects].filter(([key]) => key.endsWith("error.pb"))
    .map(([, bytes]) => new TextDecoder().decode(bytes));
  const shown = [outcome.stdout, outcome.stderr, ...documents].join("\n");
  const generations = Array.from({ length: server.generation }, (_, i) => secretsOf(i + 1));
  for (const secret of [TOKEN, OTHER_TOKEN, "static-secret", ...generations.flat()]) {
    assert(!shown.includes(secret), `a secret in: ${shown}`);
  }
  return outcome;
}

async function withServer(
  token: string,
  test: (server: AwsServer, home: string) => Promise<void>,
): Promise<void> {
  const home = Deno.makeTempDirSync({ prefix: "copilot-credentials-" });
  try {
    writeHome(home, token);
    await using server = new AwsServer();
    await test(server, home);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

for (const [name, env] of Object.entries(PROVIDERS)) {
  testWith(
    `the binary with ${name}: credentials that run out in the middle of a run`,
    ["binary"],
    () =>
      withServer(TOKEN, async (server, home) => {
        const uris = Array.from({ length: FILES }, (_, i) => `s3://bucket/in/${i}`);
        for (const uri of uris) {
          server.objects.set(uri.slice("s3://bucket/".length), new TextEncoder().encode(uri));
        }
        const inputs = literalMap({
          files: list(...uris.map((uri) => blob(uri))),
        });
        server.objects.set("inputs.pb", encodeLiteralMap(inputs));
        server.rotateAfter = FILES / 2;
        server.failures.push({ status: 429, headers: { "retry-after": "0" } });
        const download = await run(server, env(server.url, home), [
          "download",
          "--from-remote=s3://bucket/inputs.pb",
          "--to-output-prefix=s3://bucket/out",
          `--to-local-dir=${home}/in`,
        ]);
        assert.equal(download.code, 0, download.stderr);
        assert(!server.objects.has("out/error.pb"), download.stderr);
        assert.equal([...Deno.readDirSync(`${home}/in/files`)].length, FILES);
        assert.equal(server.generation, 2, "asked once at the start, and once when they had run out");
        const types = outputs({ files: listType(FILE) });
        const upload = await run(server, env(server.url, home), [
          "sidecar",
          "--start-watcher-type=noop",
          "--exit-watcher-type=noop",
          "--to-raw-output=s3://bucket/raw",
          "--to-output-prefix=s3://bucket/out",
          `--from-local-dir=${home}/in`,
          `--interface=${encode("TypedInterface", types).toBase64()}`,
        ]);
        assert.equal(upload.code, 0, upload.stderr);
        assert.equal(decodeLiteralMap(server.objects.get("out/outputs.pb")!).literals.size, 1);
      }),
  );
}

for (const name of ["IRSA", "EKS Pod Identity"]) {
  testWith(`the binary with ${name}: a wrong token ends the run at once, without the node's identity`, [
    "binary",
  ], () =>
    withServer(OTHER_TOKEN, async (server, home) => {
      const env = { ...PROVIDERS[name]!(server.url, home), AWS_EC2_METADATA_SERVICE_ENDPOINT: server.url };
      const { code, stderr } = await run(server, env, [
        "download",
        "--from-remote=s3://bucket/inputs.pb",
        `--to-output-prefix=${home}/out`,
        `--to-local-dir=${home}/in`,
      ]);
      assert.equal(code, 0, stderr);
      const document = new TextDecoder().decode(Deno.readFileSync(`${home}/out/error.pb`));
      assert.match(document, /Cannot get credentials for "s3:\/\/bucket\/" from/);
      assert(!document.includes(OTHER_TOKEN), "a secret in error.pb");
      assert.deepEqual(server.requests, [name === "IRSA" ? "POST /" : "GET /v1/credentials"]);
    }));
}
