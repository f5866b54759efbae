/** Whether and where telemetry goes. */
import assert from "assert";
import { keyValues, type OtelSettings, telemetrySettings } from "../../src/telemetry/settings.ts";

const OFF: OtelSettings = {
  type: "noop",
  endpoint: "http://localhost:4318/v1/traces",
  parentSampler: "always",
};
const ON: OtelSettings = { ...OFF, type: "otlphttp" };

Deno.test("telemetry settings: nothing is configured, nothing is sent", () => {
  assert.deepEqual(telemetrySettings(OFF, {}), { telemetry: undefined, warnings: [] });
});

Deno.test("telemetry settings: the original's endpoint is that of traces, figures go beside it", () => {
  const { telemetry } = telemetrySettings({ ...ON, endpoint: "https://c:1/x/v1/traces" }, {});
  assert.deepEqual([telemetry!.tracesUrl, telemetry!.metricsUrl], [
    "https://c:1/x/v1/traces",
    "https://c:1/x/v1/metrics",
  ]);
  assert.deepEqual([telemetry!.format, telemetry!.timeoutMs], ["protobuf", 5000]);
});

Deno.test("telemetry settings: OpenTelemetry's own variables win, a signal's own over the general one", () => {
  const { telemetry } = telemetrySettings(ON, {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/",
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces/all",
    OTEL_EXPORTER_OTLP_TIMEOUT: "60000",
  });
  assert.deepEqual([telemetry!.tracesUrl, telemetry!.metricsUrl], [
    "http://traces/all",
    "http://c:4318/v1/metrics",
  ]);
  assert.equal(telemetry!.timeoutMs, 5000);
});

Deno.test("telemetry settings: samplers", () => {
  const sampling = (otel: OtelSettings, env: Record<string, string>) => {
    const { telemetry } = telemetrySettings(otel, env);
    return [telemetry!.sampler, telemetry!.ratio];
  };
  assert.equal(sampling(ON, {})[0], "parentbased_always_on");
  assert.deepEqual(sampling({ ...ON, parentSampler: "traceid" }, {}), ["parentbased_traceidratio", 0.01]);
  const env = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" };
  assert.deepEqual(sampling(ON, env), ["traceidratio", 0.25]);
  assert.deepEqual(sampling(ON, { ...env, OTEL_TRACES_SAMPLER_ARG: "7" }), ["traceidratio", 1]);
});

Deno.test("telemetry settings: what is not supported is said, and is no failure", () => {
  for (const type of ["file", "jaeger", "otlpgrpc"]) {
    const { telemetry, warnings } = telemetrySettings({ ...OFF, type }, {});
    assert.equal(telemetry, undefined);
    assert.match(warnings[0]!, new RegExp(`otel.type "${type}" is not supported, expected otlphttp or noop`));
  }
  const grpc = telemetrySettings(ON, { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" });
  assert.equal(grpc.telemetry, undefined);
  assert.match(grpc.warnings[0]!, /expected http\/protobuf or http\/json/);
});

Deno.test("key values: percent-encoded, blanks around them, broken pairs left out", () => {
  assert.deepEqual(keyValues("a=b%20c, d = e=f,,=x,100%=%zz"), [["a", "b c"], ["d", "e=f"], ["100%", "%zz"]]);
  assert.deepEqual(keyValues(undefined), []);
});
