/** copilot as a person sees it: in terminals of several widths, on a pipe, and in a pod. */
import assert from "assert";
import { encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/flows.ts";
import { blob, integer, literalMap } from "../support/plans.ts";
import { type Need, testWith } from "./harness.ts";

const NEEDS: Need[] = ["binary", "script"];

function downloadFlags(dir: TemporaryDirectory): string[] {
  return [
    "download",
    `--from-remote=${dir.at("in/inputs.pb")}`,
    `--to-output-prefix=${dir.at("out")}`,
    `--to-local-dir=${dir.at("local")}`,
  ];
}

/** Starts the program in a terminal of so many columns; what it shows comes on standard output. */
function inTerminal(binary: string, args: readonly string[], columns: number): Deno.ChildProcess {
  const words = [binary, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return new Deno.Command("script", {
    args: ["-qec", `stty cols ${columns}; ${words}`, "/dev/null"],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    env: { TERM: "xterm" },
  }).spawn();
}

/** Half of an object at once, the rest when it is released. */
function halfServer(bytes: number) {
  const released = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new Uint8Array(bytes / 2));
        await released.promise;
        controller.enqueue(new Uint8Array(bytes / 2));
        controller.close();
      },
    });
    return new Response(body, { headers: { "content-length": String(bytes) } });
  });
  return { port: server.addr.port, release: released.resolve, close: () => server.shutdown() };
}

for (const columns of [80, 40, 20]) {
  testWith(
    `copilot download in a terminal of ${columns} columns: one line of progress that fits`,
    NEEDS,
    async ({ binary }) => {
      using dir = temporaryDirectory();
      const server = halfServer(4 * 1024 * 1024);
      const map = literalMap({ f: blob(`http://127.0.0.1:${server.port}/f`) });
      dir.write("in/inputs.pb", encodeLiteralMap(map));
      const child = inTerminal(binary!, downloadFlags(dir), columns);
      let text = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (/Download {2}\d+%/.test(text)) server.release();
      }
      assert.equal((await child.status).code, 0, text);
      await server.close();
      // deno-lint-ignore no-control-regex -- what moves the cursor
      const lines = text.split(/\r\x1b\[K|\r?\n/).filter((line) => line.startsWith("Download"));
      assert(lines.length > 0, text);
      for (const line of lines) assert(line.length < columns, line);
      if (columns === 80) assert(lines.some((line) => line.includes("2.0 MiB of 4.0 MiB")), text);
      assert.match(text, /download finished .*size="4\.0 MiB".* rate="?[\d.]+ [KMG]?i?B\/s"?.* place=/);
    },
  );
}

testWith(
  "copilot: a failure in a terminal is status 1 and says so; on a pipe 0, unless told otherwise",
  NEEDS,
  async ({ binary }) => {
    using dir = temporaryDirectory();
    dir.write("in/inputs.pb", encodeLiteralMap(literalMap({ f: blob(dir.at("gone")) })));
    const flags = downloadFlags(dir);
    const shown = await inTerminal(binary!, flags, 80).output();
    assert.equal(shown.code, 1);
    assert.match(new TextDecoder().decode(shown.stdout), /download failed .*exitStatus=1/);
    assert.equal((await inTerminal(binary!, [...flags, "--exit-on-error=false"], 80).output()).code, 0);
    const piped = (more: string[]) => new Deno.Command(binary!, { args: [...flags, ...more] }).output();
    const { code, stderr } = await piped([]);
    assert.equal(code, 0);
    assert.match(new TextDecoder().decode(stderr), /"exitStatus":0/);
    assert.equal((await piped(["--exit-on-error"])).code, 1);
  },
);

testWith("copilot --logger.level=debug: a line a file; trace: a line a request; other words are refused", [
  "binary",
], async ({ binary }) => {
  using dir = temporaryDirectory();
  dir.write("data/f", "12345");
  dir.write("in/inputs.pb", encodeLiteralMap(literalMap({ f: blob(dir.at("data/f")), n: integer(1) })));
  const run = async (level: string) => {
    const args = [...downloadFlags(dir), `--logger.level=${level}`];
    const { code, stderr } = await new Deno.Command(binary, { args }).output();
    const text = new TextDecoder().decode(stderr);
    const events = text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    return { code, text, events };
  };
  const files = ({ events }: Awaited<ReturnType<typeof run>>) =>
    events.filter(({ msg }) => msg === "downloaded");
  const requests = ({ events }: Awaited<ReturnType<typeof run>>) =>
    events.filter(({ msg }) => msg === "request");
  const debug = await run("debug");
  assert.deepEqual(files(debug).map(({ path, bytes }) => [path, bytes]), [[dir.at("local/f"), 5]]);
  assert.equal(requests(debug).length, 0);
  const trace = await run("trace");
  assert(
    requests(trace).some(({ action, object, retries }) =>
      action === "read" && object.endsWith("/data/f") && retries === 0
    ),
    trace.text,
  );
  assert.equal((await run("6")).events.filter(({ msg }) => msg === "request").length, requests(trace).length);
  const wrong = await run("debgu");
  assert.equal(wrong.code, 2);
  assert.match(wrong.text, /expected a whole number or one of .*did you mean \\*"debug/);
});
