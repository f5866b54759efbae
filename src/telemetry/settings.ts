/**
 * Whether and where telemetry goes: the original's `otel.*` settings, and OpenTelemetry's own environment variables, which win
 * (opentelemetry.io/docs/specs/otel/protocol/exporter, …/configuration/sdk-environment-variables).
 *
 * Pure.
 * @module
 */

/** What the original's settings say; texts as they are written. */
export interface OtelSettings {
  /** `otel.type`: noop, otlphttp, or an exporter that copilot does not have. */
  type: string;
  /** `otel.otlphttp.endpoint`: where traces go. */
  endpoint: string;
  /** `otel.sampler.parentSampler`: always or traceid. */
  parentSampler: string;
}

/** Where telemetry goes. Headers are left in the environment: they are secrets. */
export interface TelemetrySettings {
  /** URLs; undefined where that signal is off. */
  tracesUrl: string | undefined;
  metricsUrl: string | undefined;
  format: "protobuf" | "json";
  sampler: string;
  /** What of the traces is kept, from 0 to 1, where the sampler goes by that. */
  ratio: number;
  timeoutMs: number;
}

/** Telemetry must not hold up the end of a run for longer than this. */
const MAX_TIMEOUT_MS = 5000;
/** Flyte's default for `parentSampler: traceid`. */
const DEFAULT_RATIO = 0.01;

const TRACES = "/v1/traces";
const METRICS = "/v1/metrics";

type Env = Readonly<Record<string, string>>;

/** The settings, and what cannot be done of what they ask for. Undefined: nothing is to be sent. */
export function telemetrySettings(
  otel: OtelSettings,
  env: Env,
): { telemetry: TelemetrySettings | undefined; warnings: string[] } {
  const warnings: string[] = [];
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT?.replace(/\/$/, "");
  const isOn = otel.type === "otlphttp";
  if (!["noop", "otlphttp", ""].includes(otel.type)) {
    warnings.push(
      `No telemetry is sent: otel.type "${otel.type}" is not supported, expected otlphttp or noop`,
    );
  }
  const signal = (name: "TRACES" | "METRICS", path: string) => {
    const exporter = env[`OTEL_${name}_EXPORTER`] || "otlp";
    if (exporter !== "otlp") {
      if (exporter !== "none") {
        warnings.push(`OTEL_${name}_EXPORTER "${exporter}" is not supported, expected otlp or none`);
      }
      return undefined;
    }
    const own = env[`OTEL_EXPORTER_OTLP_${name}_ENDPOINT`] || undefined;
    const configured = isOn ? otel.endpoint.replace(new RegExp(`${TRACES}/?$`), "") + path : undefined;
    return own ?? (base ? base + path : configured);
  };
  const tracesUrl = signal("TRACES", TRACES);
  const metricsUrl = signal("METRICS", METRICS);
  const protocol = env.OTEL_EXPORTER_OTLP_PROTOCOL || "http/protobuf";
  const isOff = env.OTEL_SDK_DISABLED?.toLowerCase() === "true" || (tracesUrl ?? metricsUrl) === undefined;
  if (isOff) return { telemetry: undefined, warnings };
  if (!/^http\/(protobuf|json)$/.test(protocol)) {
    const why =
      `OTEL_EXPORTER_OTLP_PROTOCOL "${protocol}" is not supported, expected http/protobuf or http/json`;
    return { telemetry: undefined, warnings: [...warnings, `No telemetry is sent: ${why}`] };
  }
  return {
    telemetry: { ...destination(protocol, env), ...sampling(otel, env), tracesUrl, metricsUrl },
    warnings,
  };
}

function destination(protocol: string, env: Env): Pick<TelemetrySettings, "format" | "timeoutMs"> {
  const asked = Number(env.OTEL_EXPORTER_OTLP_TIMEOUT || MAX_TIMEOUT_MS);
  return {
    format: protocol === "http/json" ? "json" : "protobuf",
    timeoutMs: asked > 0 ? Math.min(asked, MAX_TIMEOUT_MS) : MAX_TIMEOUT_MS,
  };
}

function sampling({ parentSampler }: OtelSettings, env: Env): Pick<TelemetrySettings, "sampler" | "ratio"> {
  const configured = parentSampler === "traceid" ? "parentbased_traceidratio" : "parentbased_always_on";
  const arg = env.OTEL_TRACES_SAMPLER_ARG;
  const asked = arg === undefined || arg === "" ? NaN : Number(arg);
  const fallback = env.OTEL_TRACES_SAMPLER ? 1 : DEFAULT_RATIO;
  return {
    sampler: env.OTEL_TRACES_SAMPLER || configured,
    ratio: asked >= 0 && asked <= 1 ? asked : fallback,
  };
}

/** `key=value,key=value` with percent-encoded values, as headers and attributes are written. */
export function keyValues(text = ""): [string, string][] {
  return text.split(",").flatMap((pair): [string, string][] => {
    const at = pair.indexOf("=");
    if (at < 1) return [];
    return [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]];
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
