/**
 * The command lines that Flyte's plugin writes, on the compiled binary: bundling may break what runs from source.
 */
import assert from "assert";
import { decode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import type { Literal } from "../../src/flyte/types.ts";
import { testWith } from "./harness.ts";

function integer(value: bigint): Literal {
  const primitive = { value: { case: "integer" as const, value } };
  return {
    value: { case: "scalar", value: { value: { case: "primitive", value: primitive } } },
    hash: "",
    metadata: new Map(),
  };
}

/** A directory shaped as kubelet mounts a Secret: keys are symlinks to a versioned directory. */
function mountedSecret(dir: string, keys: Record<string, string>): string {
  Deno.mkdirSync(`${dir}/..2026_01/`, { recursive: true });
  Deno.symlinkSync("..2026_01", `${dir}/..data`);
  for (const [name, text] of Object.entries(keys)) {
    Deno.writeTextFileSync(`${dir}/..2026_01/${name}`, text);
    Deno.symlinkSync(`..data/${name}`, `${dir}/${name}`);
  }
  return dir;
}

async function copilot(binary: string, args: string[]): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(binary, { args, stdout: "null", stderr: "piped" }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

testWith("download as the plugin writes it, with --config as a glob", ["binary"], async ({ binary }) => {
  const dir = Deno.makeTempDirSync();
  try {
    const config = mountedSecret(`${dir}/config`, {
      "a.yaml": "storage:\n  type: stow\n  stow: {kind: s3, config: {region: eu-west-1, secret_key: 0123}}\n",
      "b.yaml": "Logger:\n  level: 4\n",
    });
    Deno.writeFileSync(`${dir}/inputs.pb`, encodeLiteralMap({ literals: new Map([["x", integer(7n)]]) }));
    const { code, stderr } = await copilot(binary, [
      ...[
        "--storage.limits.maxDownloadMBs=0",
        "--logger.level=4",
        "--storage.container=bucket",
        "--storage.type=stow",
      ],
      ...[
        "--config",
        `${config}/*.yaml`,
        "--storage.stow.config",
        "region=us-east-1",
        "--storage.stow.kind=s3",
      ],
      ...["download", "--from-remote", `file://${dir}/inputs.pb`, "--to-output-prefix", `file://${dir}/out`],
      ...[
        "--to-local-dir",
        `${dir}/local`,
        "--format",
        "JSON",
        "--file-input-layout",
        "DIRECT",
        "--input-interface",
        "",
      ],
    ]);
    assert.equal(code, 0, stderr);
    assert.equal(Deno.readTextFileSync(`${dir}/local/x`), "7");
    assert.equal(Deno.readTextFileSync(`${dir}/local/inputs.json`), `{"x":7}`);
    assert.match(stderr, /download finished/);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

testWith(
  "a config file with an unknown key is refused by name, which the error document tells, and nothing is moved",
  ["binary"],
  async ({ binary }) => {
    const dir = Deno.makeTempDirSync();
    try {
      Deno.writeTextFileSync(`${dir}/c.yaml`, "storage:\n  tpye: stow\n");
      const { code, stderr } = await copilot(binary, [
        ...["--config", `${dir}/c.yaml`, "download", "--from-remote", `file://${dir}/inputs.pb`],
        ...["--to-output-prefix", `file://${dir}/out`, "--to-local-dir", `${dir}/local`],
      ]);
      assert.equal(code, 2);
      assert.match(stderr, /storage\.tpye/);
      assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), ["c.yaml", "out"]);
      assert.deepEqual([...Deno.readDirSync(`${dir}/out`)].map(({ name }) => name), ["error.pb"]);
      const { error } = decode("ErrorDocument", Deno.readFileSync(`${dir}/out/error.pb`));
      assert.match(error!.message, /storage\.tpye/);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
);

testWith(
  "version and --version name the commit that the executable was built from",
  ["binary"],
  async ({ binary }) => {
    for (const args of [["version"], ["--version"]]) {
      const { code, stdout } = await new Deno.Command(binary, { args }).output();
      assert.equal(code, 0);
      assert.match(
        new TextDecoder().decode(stdout),
        /^copilot \d+\.\d+\.\d+ \(commit ([0-9a-f]{12} (of \d{4}-\d\d-\d\d|with changes)|unknown), deno \S+, linux \S+\)\n$/,
      );
    }
  },
);
