/** Profiles of IAM Identity Center by the SDK's provider, over this program's connections. */
import assert from "assert";
import { createHash } from "node:crypto";
import type { IdentityContext } from "../../../../src/storage/backends/s3/identity/mod.ts";
import { profileCredentials } from "../../../../src/storage/backends/s3/identity/profile.ts";
import { HttpClient } from "../../../../src/http/client.ts";
import { sys } from "../../../../src/system/deno.ts";
import { codeIs } from "../../../support/errors.ts";
import { temporaryDirectory } from "../../../support/flows.ts";
import { LIVE } from "../../../support/http.ts";
import { type Canned, Loopback, reply } from "../../../support/loopback.ts";

const OPERATION = { action: "get credentials for", object: "s3://b/" };
const START_URL = "https://example.awsapps.com/start";
const ACCOUNT = "sso_account_id = 123456789012\nsso_role_name = reader\nsso_region = eu-west-1\n";
const CONFIG = {
  legacy: `[profile p]\nsso_start_url = ${START_URL}\n${ACCOUNT}`,
  session:
    `[profile p]\nsso_session = s\n${ACCOUNT}[sso-session s]\nsso_region = eu-west-1\nsso_start_url = ${START_URL}\n`,
};
const GIVEN = {
  accessKeyId: "ASIA1",
  secretAccessKey: "the-secret",
  sessionToken: "the-session",
  expiration: 4_000_000_000_000,
};

/** Asks for the credentials of a profile in a home directory with a session. */
async function asked(
  { config, replies, expiresAt = "2100-01-01T00:00:00Z", isLoggedIn = true }: {
    config: string;
    replies: Canned[];
    expiresAt?: string;
    isLoggedIn?: boolean;
  },
  test: (server: Loopback, get: () => ReturnType<typeof profileCredentials>) => Promise<void>,
): Promise<void> {
  using home = temporaryDirectory();
  await using server = new Loopback(...replies);
  Deno.mkdirSync(home.at(".aws/sso/cache"), { recursive: true });
  Deno.writeTextFileSync(home.at(".aws/config"), config);
  const session = JSON.stringify({ accessToken: "the-access-token", expiresAt, startUrl: START_URL });
  for (const id of isLoggedIn ? [START_URL, "s"] : []) {
    const name = createHash("sha1").update(id).digest("hex");
    Deno.writeTextFileSync(home.at(`.aws/sso/cache/${name}.json`), session);
  }
  const http = new HttpClient({ network: sys.network, clock: sys.clock });
  const env = { HOME: home.path, AWS_ENDPOINT_URL_SSO: server.url };
  const context: IdentityContext = {
    env,
    files: sys.files,
    http,
    localClient: () => http,
    nowMs: () => sys.clock.nowMs(),
    region: "eu-west-1",
    object: "s3://b/",
    signal: LIVE,
  };
  // The SDK looks for sessions in the process's home; in a run that is the run's own copy of the environment.
  const before = Deno.env.get("HOME");
  Deno.env.set("HOME", home.path);
  try {
    await test(server, () => profileCredentials("p", OPERATION, context));
  } finally {
    if (before === undefined) Deno.env.delete("HOME");
    else Deno.env.set("HOME", before);
    http.close();
  }
}

for (const [kind, config] of Object.entries(CONFIG)) {
  Deno.test(`s3 sso: a profile with a ${kind} gets its role's credentials`, () =>
    asked(
      { config, replies: [reply(200, {}, JSON.stringify({ roleCredentials: GIVEN }))] },
      async (server, get) => {
        const { accessKeyId, secretAccessKey, sessionToken, expiresAtMs } = await get();
        assert.deepEqual([accessKeyId, secretAccessKey.reveal(), sessionToken?.reveal(), expiresAtMs], [
          GIVEN.accessKeyId,
          GIVEN.secretAccessKey,
          GIVEN.sessionToken,
          GIVEN.expiration,
        ]);
        assert.equal(server.requests.length, 1);
        assert.equal(server.requests[0]!.headers["x-amz-sso_bearer_token"], "the-access-token");
        assert.match(server.requests[0]!.path, /^\/federation\/credentials\?.*account_id=123456789012/);
      },
    ));
}

Deno.test("s3 sso: what is wrong with a session is denied, once, and leads to no other provider", async (t) => {
  const cases: [string, Parameters<typeof asked>[0], RegExp, number][] = [
    ["nobody has logged in", { config: CONFIG.legacy, replies: [], isLoggedIn: false }, /aws sso login/, 0],
    [
      "it has run out",
      { config: CONFIG.legacy, replies: [], expiresAt: "2020-01-01T00:00:00Z" },
      /expired.*aws sso login/,
      0,
    ],
    [
      "the role is not given",
      {
        config: CONFIG.legacy,
        replies: [reply(403, { "x-amzn-errortype": "ForbiddenException" }, '{"message":"No access"}')],
      },
      /No access/,
      1,
    ],
  ];
  for (const [what, run, pattern, requests] of cases) {
    await t.step(what, () =>
      asked(run, async (server, get) => {
        await assert.rejects(get(), (error) => {
          assert.doesNotMatch(String(error), /the-access-token/);
          return codeIs("denied", "s3://b/", pattern)(error);
        });
        assert.equal(server.requests.length, requests);
      }));
  }
});
