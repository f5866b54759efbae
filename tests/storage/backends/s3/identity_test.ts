/** Each way to credentials on AWS, against a server that speaks its protocol. */
import assert from "assert";
import { codeIs } from "../../../support/errors.ts";
import type { BackendContext } from "../../../../src/storage/backend.ts";
import { openStore } from "../../../../src/storage/backends/mod.ts";
import { parseProfiles } from "../../../../src/storage/backends/s3/identity/profile.ts";
import { type ObjectStore, readAll } from "../../../../src/storage/store.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import { sys } from "../../../../src/system/deno.ts";
import type { Clock } from "../../../../src/system/mod.ts";
import { AwsServer, secretsOf, TOKEN } from "../../../support/aws_server.ts";

const { signal } = new AbortController();
const MINUTE_MS = 60_000;

interface Run {
  server: AwsServer;
  store: ObjectStore;
  /** Moves the run's clock. */
  pass(ms: number): void;
  read(): Promise<string>;
}

/** A store on the server's bucket whose credentials come from what the environment and the files say. */
async function withRun(
  env: (url: string) => Record<string, string>,
  files: Record<string, string>,
  test: (run: Run) => Promise<void>,
  options: { clock?: Partial<Clock> } = {},
): Promise<void> {
  await using server = new AwsServer();
  server.objects.set("k", new TextEncoder().encode("bytes"));
  let passed = 0;
  const context: BackendContext = {
    system: {
      ...sys,
      clock: { ...sys.clock, nowMs: () => Date.now() + passed, ...options.clock },
      files: {
        ...sys.files,
        stat: (path) => path in files ? sys.files.stat("/") : null,
        readFile(path) {
          if (path in files) return new TextEncoder().encode(files[path]);
          throw new Error(`No such file: ${path}`);
        },
      },
    },
    env: { HOME: "/home/u", AWS_ENDPOINT_URL_S3: server.url, ...env(server.url) },
    caCerts: [],
    allow: () => Promise.resolve(),
    signal,
  };
  const settings = { kind: "s3", values: { auth_type: "iam", region: "us-east-1" }, secrets: {} };
  const store = await openStore(parseUri("s3://bucket/", "it"), settings, context);
  const read = async () => {
    const { body } = await store.get("k", { signal });
    return new TextDecoder().decode(await readAll(body, 1000, () => new Error("too large")));
  };
  try {
    await test({ server, store, pass: (ms) => passed += ms, read });
  } finally {
    store.close();
  }
}

/** What a run's environment and files say for each provider. The files' tokens end in a line break, as mounted ones may. */
const PROVIDERS: Record<
  string,
  { env(url: string): Record<string, string>; files: Record<string, string>; first: string }
> = {
  "IRSA": {
    env: (url) => ({
      AWS_ENDPOINT_URL_STS: url,
      AWS_WEB_IDENTITY_TOKEN_FILE: "/token",
      AWS_ROLE_ARN: "arn:aws:iam::1:role/r",
    }),
    files: { "/token": `${TOKEN}\n` },
    first: "POST /",
  },
  "EKS Pod Identity": {
    env: (url) => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/token",
    }),
    files: { "/token": `${TOKEN}\r\n` },
    first: "GET /v1/credentials",
  },
  "ECS": {
    env: (url) => ({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: TOKEN,
    }),
    files: {},
    first: "GET /v1/credentials",
  },
  "IMDSv2": {
    env: (url) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: `${url}/` }),
    files: {},
    first: "PUT /latest/api/token",
  },
  "a profile with a role": {
    env: (url) => ({ AWS_ENDPOINT_URL_STS: url, AWS_PROFILE: "run" }),
    files: {
      "/home/u/.aws/config": "[profile run]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n",
      "/home/u/.aws/credentials":
        "[base]\naws_access_key_id = AKIASTATIC\naws_secret_access_key = static-secret\n",
    },
    first: "POST /",
  },
  "a profile with a web identity": {
    env: (url) => ({ AWS_ENDPOINT_URL_STS: url }),
    files: {
      "/home/u/.aws/config":
        "[default]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /token\n",
      "/token": TOKEN,
    },
    first: "POST /",
  },
};

/** Everything that no message may hold. */
const SECRETS = [TOKEN, "static-secret", "another-token", ...secretsOf(1), ...secretsOf(2)];

function showsNone(error: unknown): boolean {
  const shown = `${Deno.inspect(error, { depth: 9 })} ${JSON.stringify(error)} ${(error as Error).stack}`;
  for (const secret of SECRETS) assert(!shown.includes(secret), `a secret in: ${shown}`);
  return true;
}

for (const [name, { env, files, first }] of Object.entries(PROVIDERS)) {
  Deno.test(`s3 identity: ${name}: fetched once, for the first request`, () =>
    withRun(env, files, async ({ server, read }) => {
      assert.deepEqual(server.requests, [], "opening a store asks nobody");
      assert.deepEqual(await Promise.all([read(), read(), read()]), ["bytes", "bytes", "bytes"]);
      assert.equal(server.requests[0], first);
      assert.equal(server.generation, 1);
    }));

  Deno.test(`s3 identity: ${name}: renewed before they run out, and the old ones used while that fails`, () =>
    withRun(env, files, async ({ server, pass, read }) => {
      await read();
      pass(56 * MINUTE_MS);
      server.failures.push({ status: 500 });
      assert.equal(await read(), "bytes");
      assert.equal(server.generation, 1);
      pass(31_000);
      assert.equal(await read(), "bytes");
      assert.equal(server.generation, 2);
    }));

  Deno.test(`s3 identity: ${name}: renewed when the store says that they ran out`, () =>
    withRun(env, files, async ({ server, read }) => {
      await read();
      server.oldest = 2;
      assert.equal(await read(), "bytes");
      assert.equal(server.generation, 2);
    }));

  Deno.test(`s3 identity: ${name}: 429 is throttled, 500 unavailable, 403 denied, and nothing else is tried`, () =>
    withRun(env, files, async ({ server, read }) => {
      // What a service was sent it may repeat.
      const sent = JSON.stringify([env(""), files]).includes(TOKEN) ? TOKEN : "";
      const cases = [
        [{ status: 429, headers: { "retry-after": "7" } }, "throttled"],
        [{ status: 500 }, "unavailable"],
        [{ status: 403, body: `{"code":"AccessDenied","message":"no ${sent}"}` }, "denied"],
        [{ status: 200, body: "{}" }, name === "IMDSv2" ? "denied" : "unavailable"],
      ] as const;
      for (const [failure, code] of cases) {
        server.failures.push(failure);
        const seen = server.requests.length;
        await assert.rejects(read(), (error) => {
          assert(codeIs(code, /^Cannot get credentials for "s3:\/\/bucket\/" from /)(error));
          const { retryAfterMs } = error as { retryAfterMs?: number };
          assert.equal(retryAfterMs, code === "throttled" ? 7000 : undefined);
          return showsNone(error);
        });
        const asked = server.requests.slice(seen);
        assert(
          asked.every((line) => !line.includes("/bucket/")),
          `the store was asked without credentials: ${asked}`,
        );
        assert(asked[0] === first, asked.join());
      }
    }));

  Deno.test(`s3 identity: ${name}: no answer is a time-out, and then it is asked again`, () => {
    // The bounds count ticks, which come a thousand times as fast here.
    const clock = { every: (_ms: number, tick: () => void) => sys.clock.every(1, tick) };
    return withRun(env, files, async ({ server, read }) => {
      // Silence of the metadata service three times over means that there is none.
      const tries = name === "IMDSv2" ? 3 : 1;
      server.failures.push(...Array<"hang">(tries).fill("hang"));
      await assert.rejects(read(), codeIs(tries === 3 ? "denied" : "timeout", /Cannot get credentials/));
      assert.equal(server.requests.length, tries);
      assert.equal(await read(), "bytes");
    }, { clock });
  });

  Deno.test(`s3 identity: ${name}: a run that is cancelled does not wait for a service that does not answer`, () =>
    withRun(env, files, async ({ server, store }) => {
      server.failures.push("hang");
      const cancelled = new AbortController();
      const reading = store.get("k", { signal: cancelled.signal });
      while (server.requests.length === 0) await new Promise((next) => setTimeout(next, 1));
      cancelled.abort();
      await assert.rejects(reading, codeIs("aborted", /cancelled/));
    }));
}

for (
  const [name, files, pattern] of [
    ["IRSA", { "/token": "another-token" }, /InvalidIdentityToken \(The token \*\*\* is not valid\)/],
    ["IRSA", { "/token": "\n" }, /"\/token": it is empty or no token/],
    ["IRSA", {}, /AWS_WEB_IDENTITY_TOKEN_FILE: No such file/],
    ["EKS Pod Identity", { "/token": "another-token" }, /AccessDenied \(unknown: \*\*\*\)/],
    ["EKS Pod Identity", { "/token": "two\nlines" }, /it is empty or no token/],
  ] as const
) {
  Deno.test(`s3 identity: ${name} with the wrong token ${JSON.stringify(files)} is denied, without showing it`, () =>
    withRun(PROVIDERS[name]!.env, files, async ({ read }) => {
      await assert.rejects(read(), (error) => codeIs("denied", pattern)(error) && showsNone(error));
    }));
}

Deno.test("s3 identity: a token that the platform has replaced is read anew", () => {
  const files = { "/token": TOKEN };
  return withRun(PROVIDERS.IRSA!.env, files, async ({ server, read }) => {
    await read();
    files["/token"] = "another-token";
    server.oldest = 2;
    await assert.rejects(read(), codeIs("denied", /InvalidIdentityToken/));
    files["/token"] = TOKEN;
    assert.equal(await read(), "bytes");
  });
});

Deno.test("s3 identity: half of what a provider needs is an error, and leads to no other", async () => {
  const cases = [
    [{ AWS_ACCESS_KEY_ID: "a" }, /AWS_SECRET_ACCESS_KEY is not set/],
    [{ AWS_SECRET_ACCESS_KEY: "a" }, /AWS_ACCESS_KEY_ID is not set/],
    [{ AWS_WEB_IDENTITY_TOKEN_FILE: "/token" }, /AWS_ROLE_ARN is not set/],
  ] as const;
  for (const [env, pattern] of cases) {
    await assert.rejects(withRun(() => env, {}, () => Promise.resolve()), codeIs("config", pattern));
  }
  const remote = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://example.com/creds" };
  await withRun(() => remote, {}, async ({ read }) => {
    await assert.rejects(read(), codeIs("config", /FULL_URI "http:\/\/example.com:80": expected https/));
  });
});

for (
  const [what, config, code, pattern] of [
    ["that is not there", "[default]\nregion = x", "config", /there is no profile "run"/],
    ["without credentials", "[profile run]\nregion = x", "config", /"run" has no credentials/],
    ["of a program", "[profile run]\ncredential_process = x", "unsupported", /has credential_process/],
    ["of a browser", "[profile run]\nlogin_session = x", "unsupported", /has login_session/],
    [
      "with a role and a device",
      "[profile run]\nrole_arn = x\nsource_profile = run\naws_access_key_id = a\naws_secret_access_key = b\nmfa_serial = x",
      "unsupported",
      /has mfa_serial/,
    ],
    ["with a role and no source", "[profile run]\nrole_arn = x", "config", /nobody who takes it on/],
    [
      "in a circle",
      "[profile run]\nrole_arn = x\nsource_profile = b\n[profile b]\nrole_arn = y\nsource_profile = run",
      "config",
      /its own source: run, b, run/,
    ],
  ] as const
) {
  Deno.test(`s3 identity: a profile ${what} is an error, and leads to no other provider`, () =>
    withRun((url) => ({ AWS_PROFILE: "run", AWS_EC2_METADATA_SERVICE_ENDPOINT: url }), {
      "/home/u/.aws/config": config,
    }, async ({ server, read }) => {
      await assert.rejects(read(), codeIs(code, pattern));
      assert.deepEqual(server.requests, []);
    }));
}

Deno.test("s3 identity: no metadata service: denied, naming what was looked at", () =>
  withRun(() => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:9" }), {}, async ({ read }) => {
    await assert.rejects(
      read(),
      codeIs("denied", /AWS_PROFILE, AWS_ACCESS_KEY_ID.*none of which is there: no answer/),
    );
  }));

Deno.test("s3 identity: the shared files as the AWS tools write them", () => {
  const text =
    "# a comment\n[default]\nregion=r # the region\n\n[profile a b]\nKey = x=y\n  nested = 1\n[other]\nkey = z\n";
  assert.deepEqual(Object.fromEntries(parseProfiles(text, "config")), {
    "default": { region: "r" },
    "a b": { key: "x=y" },
  });
  assert.deepEqual([...parseProfiles(text, "credentials").keys()], ["default", "profile a b", "other"]);
});
