/** Telemetry of the executable, at a collector that decodes OTLP. */
import assert from "assert";
import { encode, encodeLiteralMap } from "../../src/flyte/codec/idl.ts";
import { Collector } from "../support/collector.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/flows.ts";
import { blob, FILE, integer, literalMap, outputs, tree } from "../support/plans.ts";
import { testWith } from "./harness.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

function downloadFlags(dir: TemporaryDirectory): string[] {
  dir.write("data/f", "12345");
  dir.write("data/d/a", "1");
  dir.write("data/d/b", "22");
  const map = literalMap({ n: integer(1), f: blob(dir.at("data/f")), d: tree(dir.at("data/d")) });
  dir.write("in/inputs.pb", encodeLiteralMap(map));
  return [
    "download",
    `--from-remote=${dir.at("in/inputs.pb")}`,
    `--to-output-prefix=${dir.at("out")}`,
    `--to-local-dir=${dir.at("local")}`,
  ];
}

async function run(
  binary: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ status: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(binary, {
    args: [...args],
    env: { HOME: "/nonexistent", ...env },
    clearEnv: true,
  }).output();
  return { status: code, stderr: new TextDecoder().decode(stderr) };
}

testWith(
  "telemetry: a download's spans and figures, within the trace of TRACEPARENT",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    await using collector = new Collector();
    const { status, stderr } = await run(binary, downloadFlags(dir), {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20very-secret,x-tenant=me",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
      OTEL_SERVICE_NAME: "inputs",
      TRACEPARENT: `00-${TRACE}-${PARENT}-01`,
    });
    assert.equal(status, 0, stderr);
    const { spans, metrics, resource } = collector;
    const root = spans.find(({ name }) => name === "copilot download")!;
    assert.deepEqual([root.traceId, root.parentId, root.status], [TRACE, PARENT, 0]);
    assert.deepEqual([root.attributes["bytes"], root.attributes["files"]], [8, 4]);
    const variable = (name: string) => spans.find((span) => span.name === `variable ${name}`)!;
    assert.equal(variable("f").parentId, root.id);
    const groups = spans.filter(({ name, parentId }) => name === "objects" && parentId === variable("d").id);
    assert(
      groups.some(({ attributes }) => attributes["listed"] === 2),
      JSON.stringify(spans.map(({ name }) => name)),
    );
    assert(spans.every(({ nanoseconds }) => nanoseconds >= 0n));
    assert.deepEqual([resource["service.name"], resource["deployment.environment"]], ["inputs", "test"]);
    assert.deepEqual([metrics["copilot.bytes"]!.sum, metrics["copilot.bytes"]!.unit], [8, "By"]);
    assert.equal(metrics["copilot.objects"]!.sum, 3);
    assert.deepEqual(metrics["copilot.bytes"]!.attributes, [{ store: "file://", command: "download" }]);
    assert(metrics["copilot.request.duration"]!.attributes.some(({ action }) => action === "read"));
    assert(metrics["copilot.memory.peak"]!.sum > 10_000_000);
    assert(
      collector.requests.every(({ type, headers }) =>
        type === "application/x-protobuf" && headers.get("authorization") === "Bearer very-secret" &&
        headers.get("x-tenant") === "me"
      ),
    );
    assert(!stderr.includes("very-secret"), stderr);
  },
);

testWith("telemetry: an upload's, and how long it has waited for main", ["binary"], async ({ binary }) => {
  using dir = temporaryDirectory();
  await using collector = new Collector();
  dir.write("local/f", "F");
  const { status, stderr } = await run(binary, [
    "sidecar",
    `--to-raw-output=${dir.at("raw")}`,
    `--to-output-prefix=${dir.at("out")}`,
    `--from-local-dir=${dir.at("local")}`,
    "--start-watcher-type=noop",
    `--interface=${encode("TypedInterface", outputs({ f: FILE })).toBase64()}`,
    "--otel.type=otlphttp",
    `--otel.otlphttp.endpoint=${collector.url}/v1/traces`,
  ]);
  assert.equal(status, 0, stderr);
  assert.deepEqual(collector.spans.map(({ name }) => name).sort(), ["copilot sidecar", "variable f"]);
  assert.equal(collector.metrics["copilot.bytes"]!.sum, 1);
  assert.equal(collector.metrics["copilot.wait"]!.unit, "s");
});

testWith("telemetry: a failed run is a failed span", ["binary"], async ({ binary }) => {
  using dir = temporaryDirectory();
  await using collector = new Collector();
  const flags = downloadFlags(dir);
  Deno.removeSync(dir.at("data/f"));
  await run(binary, flags, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const root = collector.spans.find(({ name }) => name === "copilot download")!;
  assert.deepEqual([root.status, root.attributes["error.type"]], [2, "not-found"]);
  const cut = collector.spans.find(({ name }) => name === "variable f")!;
  assert.equal(cut.status, 2);
});

testWith(
  "telemetry: what the environment turns off, or samples away, is not sent",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    await using collector = new Collector();
    const flags = downloadFlags(dir);
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    await run(binary, flags);
    await run(binary, flags, { ...endpoint, OTEL_SDK_DISABLED: "true" });
    assert.deepEqual(collector.requests, []);
    await run(binary, flags, {
      ...endpoint,
      OTEL_METRICS_EXPORTER: "none",
      OTEL_TRACES_SAMPLER: "always_off",
    });
    assert.deepEqual(collector.requests, []);
    await run(binary, flags, {
      ...endpoint,
      OTEL_METRICS_EXPORTER: "none",
      TRACEPARENT: `00-${TRACE}-${PARENT}-00`,
    });
    assert.deepEqual(collector.requests, [], "the parent is not sampled");
    await run(binary, flags, { ...endpoint, OTEL_TRACES_EXPORTER: "none" });
    assert.deepEqual(collector.requests.map(({ path }) => path), ["/v1/metrics"]);
  },
);

testWith(
  "telemetry: JSON where it is asked for; a busy collector is asked again",
  ["binary"],
  async ({ binary }) => {
    using dir = temporaryDirectory();
    await using collector = new Collector();
    collector.answers.push(503);
    const { status } = await run(binary, downloadFlags(dir), {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRICS_EXPORTER: "none",
    });
    assert.equal(status, 0);
    assert.equal(collector.requests.length, 2);
    const { resourceSpans } = JSON.parse(new TextDecoder().decode(collector.requests[1]!.body));
    assert.equal(resourceSpans[0].scopeSpans[0].scope.name, "copilot");
  },
);

testWith("telemetry: a collector that is down, or an endpoint that is none, is a warning and no failure", [
  "binary",
], async ({ binary }) => {
  using dir = temporaryDirectory();
  for (const endpoint of ["http://127.0.0.1:1", "nonsense"]) {
    const { status, stderr } = await run(binary, downloadFlags(dir), {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /telemetry could not be sent/);
    assert(Object.hasOwn(dir.tree(), "local/inputs.pb"));
  }
});
