/** `copilot doctor` on the executable: a healthy set-up, and broken ones, each of which has to name its mend. */
import assert from "assert";
import type { Check } from "../../src/doctor/check.ts";
import { encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/flows.ts";
import { integer, literalMap } from "../support/plans.ts";
import { testWith } from "./harness.ts";

interface Diagnosis {
  status: number;
  ok: boolean;
  settings: { name: string; value: string; from: string }[];
  checks: Check[];
  text: string;
}

async function doctor(
  args: readonly string[],
  { binary, env = {}, wrapper = [] }: {
    binary: string;
    env?: Record<string, string>;
    wrapper?: readonly string[];
  },
): Promise<Diagnosis> {
  const [program, ...rest] = [...wrapper, binary, "doctor", ...args] as [string, ...string[]];
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: rest,
    env: { HOME: "/nonexistent", PATH: "/usr/bin:/bin", ...env },
    clearEnv: true,
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.notEqual(text, "", new TextDecoder().decode(stderr));
  return { status: code, text, ...JSON.parse(text) };
}

/** A server that answers every request like this. */
function answering(answer: () => Response): { url: string } & AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const refusal = (status: number, code: string) => () =>
  new Response(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`, {
    status,
    headers: { "content-type": "application/xml" },
  });

function s3Flags(url: string): string[] {
  const config = {
    endpoint: url,
    access_key_id: "someone",
    secret_key: "very-secret-key",
    auth_type: "accesskey",
  };
  return [
    "--to-output-prefix=s3://bucket/run/out",
    ...Object.entries(config).map(([key, value]) => `--storage.stow.config=${key}=${value}`),
  ];
}

testWith(
  "copilot doctor: a healthy set-up, where its settings came from, and no trace of probes",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    dir.write("in/inputs.pb", encodeLiteralMap(literalMap({ n: integer(1) })));
    dir.write(
      "config.yaml",
      "storage:\n  stow:\n    kind: local\n    config:\n      secret_key: from-a-file\n",
    );
    Deno.mkdirSync(dir.at("inputs"));
    const before = dir.tree();
    const { status, ok, settings, checks, text } = await doctor([
      `--config=${dir.at("config.yaml")}`,
      `--from-remote=${dir.at("in/inputs.pb")}`,
      `--to-output-prefix=${dir.at("out")}`,
      `--to-local-dir=${dir.at("inputs")}`,
    ], { binary, env: { "LOGGER_LEVEL": "4" } });
    assert.equal(status, 0, text);
    assert(ok);
    const from = Object.fromEntries(settings.map(({ name, value, from }) => [name, `${value} (${from})`]));
    assert.equal(from["storage.stow.kind"], `local (${dir.at("config.yaml")}:3)`);
    assert.equal(from["storage.stow.config.secret_key"], `*** (${dir.at("config.yaml")}:5)`);
    assert.equal(from["storage.type"], "stow (default)");
    assert.equal(from["logger.level"], "4 (environment LOGGER_LEVEL)");
    assert.equal(from["to-local-dir"], `${dir.at("inputs")} (flag)`);
    for (const name of ["read --from-remote", "write --to-output-prefix", "delete --to-output-prefix"]) {
      assert(checks.some((check) => check.name === name && check.state === "ok"), `${name}: ${text}`);
    }
    const { ["out/"]: _, ...after } = dir.tree();
    assert.deepEqual(after, before);
  },
);

testWith("copilot doctor --read-only: writes nothing at all", ["binary"], async ({ binary }) => {
  using dir = temporaryDirectory();
  const { status, checks, text } = await doctor([
    "--read-only",
    `--to-output-prefix=${dir.at("out")}`,
    `--to-local-dir=${dir.at("inputs")}`,
  ], { binary });
  assert.equal(status, 0, text);
  assert(!checks.some(({ name }) => name.startsWith("write")), text);
  assert.deepEqual(dir.tree(), {});
});

testWith("copilot doctor -o table: for people, with the mends", ["binary"], async ({ binary }) => {
  using dir = temporaryDirectory();
  dir.write("inputs", "a file");
  const { code, stdout } = await new Deno.Command(binary, {
    args: ["doctor", "-o", "table", `--to-local-dir=${dir.at("inputs")}`],
    stderr: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 1, text);
  assert.match(text, /^failed {2}directory --to-local-dir/m);
  assert.match(text, /mend: name a directory/);
  assert.match(text, /^1 of \d+ checks failed$/m);
});

interface Broken {
  what: string;
  /** Flags, and what else the run is given. */
  set(dir: TemporaryDirectory): { args: string[]; env?: Record<string, string>; wrapper?: string[] };
  /** The failing check and its mend. */
  check: RegExp;
  mend: RegExp;
}

const BROKEN: Broken[] = [
  {
    what: "inputs that are not there",
    set: (dir) => ({ args: [`--from-remote=${dir.at("gone.pb")}`] }),
    check: /^read --from-remote$/,
    mend: /correct the URI/,
  },
  {
    what: "a file where the inputs' directory should be",
    set: (dir) => (dir.write("inputs", ""), { args: [`--to-local-dir=${dir.at("inputs")}`] }),
    check: /^directory --to-local-dir$/,
    mend: /name a directory with --to-local-dir/,
  },
  {
    what: "outputs that cannot be written",
    set: (dir) => (dir.write("out", ""), { args: [`--to-output-prefix=${dir.at("out")}`] }),
    check: /--to-output-prefix$/,
    mend: /./,
  },
  {
    what: "a store that nobody runs",
    set: () => ({ args: s3Flags("http://127.0.0.1:1") }),
    check: /^server --to-output-prefix$/,
    mend: /check endpoint, DNS and NetworkPolicy/,
  },
  {
    what: "a service principal without its id",
    set: () => ({
      args: [
        "--storage.stow.kind=azure",
        "--to-output-prefix=abfs://container@account.dfs.core.windows.net/x",
      ],
      env: { AZURE_CLIENT_SECRET: "very-secret-key" },
    }),
    check: /^settings --to-output-prefix$/,
    mend: /correct the setting/,
  },
  {
    what: "kube-api outside a pod",
    set: () => ({ args: ["--start-watcher-type=kube-api"] }),
    check: /^watcher kube-api \(chosen\)$/,
    mend: /Role with get, list and watch on pods/,
  },
  {
    what: "certificates that are not there",
    set: (dir) => ({ args: [], env: { SSL_CERT_FILE: dir.at("gone.pem") } }),
    check: /^certificates SSL_CERT_FILE$/,
    mend: /mount the file, or unset SSL_CERT_FILE/,
  },
  {
    what: "a file of certificates without any",
    set: (dir) => (dir.write("ca.pem", "none"), { args: [], env: { AWS_CA_BUNDLE: dir.at("ca.pem") } }),
    check: /^certificates AWS_CA_BUNDLE$/,
    mend: /PEM certificates/,
  },
  {
    what: "too little memory",
    set: () => ({ args: ["--memory-limit=64Mi"] }),
    check: /^memory$/,
    mend: /resources\.limits\.memory: 128Mi/,
  },
];

function assertFails(diagnosis: Diagnosis, { check, mend }: Pick<Broken, "check" | "mend">): void {
  const { status, ok, checks, text } = diagnosis;
  assert.deepEqual([status, ok], [1, false], text);
  const failed = checks.filter(({ state }) => state === "failed");
  assert(failed.some((one) => check.test(one.name) && mend.test(one.mend!)), text);
  for (const { name, mend } of failed) assert(mend !== undefined && mend !== "", `${name} names its mend`);
  assert(!text.includes("very-secret-key"), text);
}

// All at once: each spends most of its time looking for containers.
testWith("copilot doctor: broken set-ups", ["binary"], async ({ binary }, t) => {
  const examined = BROKEN.map(({ set }) => {
    const dir = temporaryDirectory();
    const { args, ...more } = set(dir);
    return doctor(args, { binary, ...more }).finally(() => dir[Symbol.dispose]());
  });
  for (const [index, { what, ...expected }] of BROKEN.entries()) {
    await t.step(what, async () => assertFails(await examined[index]!, expected));
  }
});

const SERVERS: [string, () => Response, Pick<Broken, "check" | "mend">][] = [
  ["credentials that are refused", refusal(403, "AccessDenied"), {
    check: /^list --to-output-prefix$/,
    mend: /grant the right to list/,
  }],
  ["a bucket that is not there", refusal(404, "NoSuchBucket"), {
    check: /^list --to-output-prefix$/,
    mend: /create it, or correct the URI/,
  }],
  [
    "a clock that is wrong",
    () => new Response("", { headers: { date: "Thu, 01 Jan 2015 00:00:00 GMT" } }),
    {
      check: /^clock --to-output-prefix$/,
      mend: /set the node's clock/,
    },
  ],
];

testWith("copilot doctor: stores that refuse", ["binary"], async ({ binary }, t) => {
  const examined = SERVERS.map(async ([, answer]) => {
    await using server = answering(answer);
    return await doctor(s3Flags(server.url), { binary });
  });
  for (const [index, [what, , expected]] of SERVERS.entries()) {
    await t.step(what, async () => assertFails(await examined[index]!, expected));
  }
});

testWith("copilot doctor: a certificate that nobody has signed", ["binary"], async ({ binary }) => {
  using dir = temporaryDirectory();
  const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  const san = ["-addext", "subjectAltName=DNS:localhost"];
  const files = ["-keyout", dir.at("key.pem"), "-out", dir.at("cert.pem")];
  assert((await new Deno.Command("openssl", { args: [...args, ...san, ...files] }).output()).success);
  const options = {
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    cert: Deno.readTextFileSync(dir.at("cert.pem")),
    key: Deno.readTextFileSync(dir.at("key.pem")),
  };
  const server = Deno.serve(options, () => new Response(""));
  const diagnosis = await doctor(s3Flags(`https://localhost:${server.addr.port}`), { binary });
  await server.shutdown();
  assertFails(diagnosis, { check: /^server --to-output-prefix$/, mend: /SSL_CERT_FILE/ });
});

testWith(
  "copilot doctor: shared-process-ns where nothing is shared",
  ["binary", "mounts"],
  async ({ binary }) => {
    const wrapper = ["unshare", "--pid", "--fork", "--mount-proc"];
    const diagnosis = await doctor(["--start-watcher-type=shared-process-ns"], { binary, wrapper });
    assertFails(diagnosis, {
      check: /^watcher shared-process-ns \(chosen\)$/,
      mend: /shareProcessNamespace: true/,
    });
  },
);
