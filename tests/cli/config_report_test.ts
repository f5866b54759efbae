/** `copilot config`: what it finds, what it says is wrong, and that its page of keys is itself a configuration. */
import assert from "assert";
import { FLAGS, parse, type PrintCommand, resolve } from "../../src/cli/mod.ts";
import { isConfigKey } from "../../src/cli/flag.ts";
import { readEntries } from "../../src/cli/config_yaml.ts";

async function config(
  args: readonly string[],
  files: Record<string, string> = {},
  env: Record<string, string> = {},
): Promise<PrintCommand> {
  const named = Object.entries(files).map(([name, text]) => ({ name, text }));
  const command = await resolve(parse(["config", ...args]), env, named);
  assert.equal(command.kind, "print");
  return command as PrintCommand;
}

Deno.test("config discover: the files that are read, in the order of merging", async () => {
  assert.deepEqual(parse(["config", "discover", "--config=a", "--file", "b*"]).configPatterns, ["a", "b*"]);
  const { text, status } = await config(["discover"], { "/b.yaml": "", "/a.yaml": "" });
  assert.deepEqual([text, status], ["/b.yaml\n/a.yaml\n", 0]);
  assert.match((await config(["discover"])).text, /^No configuration file is read: --config names them\n$/);
});

Deno.test("config validate: every file by itself, then all together", async () => {
  const good = "storage: {stow: {kind: google, config: {json: x}}}";
  const fine = await config(["validate"], { "/a.yaml": good, "/b.yaml": "logger: {level: 4}" });
  assert.deepEqual(fine.text.split("\n"), [
    "/a.yaml: valid",
    "/b.yaml: valid",
    "flags, environment and files together: valid",
    "",
  ]);
  assert.equal(fine.status, 0);
  const bad = await config(["validate"], {
    "/a.yaml": "storage: {tpye: stow}",
    "/b.yaml": good,
    "/c.yaml": "logger: {level: loud}",
    "/d.yaml": "a: b: c",
    "/e.yaml": "storage: {stow: {kind: s4}}",
    "/f.yaml": "storage: {stow: {config: {regoin: x}}}",
    "/g.yaml": "storage: {enable-multicontainer: often}",
  });
  assert.equal(bad.status, 1);
  const lines = bad.text.trimEnd().split("\n");
  const wanted = [
    /^\/a\.yaml: .*unknown key "storage\.tpye", did you mean "storage\.type"/,
    /^\/b\.yaml: valid$/,
    /^\/c\.yaml: .*logger\.level.*"loud": expected a whole number/,
    /^\/d\.yaml: .*line 1, column \d+ is not valid YAML/,
    /^\/e\.yaml: .*storage\.stow\.kind.*"s4": expected one of s3.*did you mean "s3"/,
    /^\/f\.yaml: warning: .*"regoin", did you mean "region"/,
    /^\/f\.yaml: valid$/,
    /^\/g\.yaml: .*enable-multicontainer.*"often": expected true or false/,
  ];
  assert.equal(lines.length, wanted.length, bad.text);
  for (const [at, pattern] of wanted.entries()) assert.match(lines[at]!, pattern);
});

Deno.test("config validate: flags and environment count, and no secret is repeated", async () => {
  const env = { "LOGGER.LEVEL": "loud" };
  const { text, status } = await config(["validate"], { "/a.yaml": "logger: {level: 4}" }, env);
  assert.equal(status, 1);
  assert.match(text, /^\/a\.yaml: valid\nflags, environment and files together: .*LOGGER\.LEVEL/);
  const secret = await config(["validate"], {
    "/a.yaml": "storage: {stow: {config: {secretkey: Sw0rdf1sh}}}",
  });
  assert(!secret.text.includes("Sw0rdf1sh"), secret.text);
});

Deno.test("config docs: a configuration with every key, its defaults those of the program", async () => {
  const { text, status } = await config(["docs"]);
  assert.equal(status, 0);
  const entries = await readEntries([{ name: "docs", text }]);
  for (const { name, default: initial, type } of FLAGS.filter(isConfigKey)) {
    const key = name.split(".").at(-1)!;
    assert(text.includes(`${key}:`), name);
    const wanted = initial === "" || type === "stringToString" ? undefined : initial;
    assert.equal(entries.get(name.toLowerCase())?.text, wanted, name);
  }
  assert.equal((await config(["validate"], { "/docs.yaml": text })).status, 0);
});

Deno.test("config: what it does is asked for by name", async () => {
  await assert.rejects(config([]), /Cannot config: expected validate, discover or docs/);
  await assert.rejects(
    config(["valdiate"]),
    /expected one of validate, discover, docs, did you mean "validate"/,
  );
});
