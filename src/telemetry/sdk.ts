/**
 * OpenTelemetry's packages behind {@linkcode Telemetry}: they make spans, figures and OTLP of them; how that is sent is copilot's
 * own, with its proxies, certificates and bounds.
 * @module
 */
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  type Context,
  defaultTextMapGetter,
  InMemorySpanExporter,
  JsonMetricsSerializer,
  JsonTraceSerializer,
  MeterProvider,
  MetricReader,
  ParentBasedSampler,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
  resourceFromAttributes,
  ROOT_CONTEXT,
  type Sampler,
  SimpleSpanProcessor,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceIdRatioBasedSampler,
  type Tracer,
  TracerProvider,
  W3CTraceContextPropagator,
} from "../packages/telemetry.ts";
import { explain } from "../errors.ts";
import type { Fields } from "../system/log.ts";
import { Exporter } from "./exporter.ts";
import type { Span, Telemetry, TelemetryContext } from "./mod.ts";
import { keyValues, type TelemetrySettings } from "./settings.ts";

/** Spans of a run: a thousand variables and groups tell enough, and each is held until the end. */
const MAX_SPANS = 1000;
/** Milliseconds between two looks at the memory. */
const SAMPLE_MS = 500;

/** Gives its figures when it is asked. */
class FinalReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** Starts collecting for one run. */
export function startTelemetry(settings: TelemetrySettings, context: TelemetryContext): Telemetry {
  return new RunTelemetry(settings, context);
}

class RunTelemetry implements Telemetry {
  readonly isOn = true;
  readonly span: Span;
  readonly #settings: TelemetrySettings;
  readonly #context: TelemetryContext;
  readonly #spans = new InMemorySpanExporter();
  readonly #reader = new FinalReader();
  readonly #instruments: ReturnType<typeof instrumentsOf>;
  readonly #stopSampling: () => void;
  readonly #open = new Set<Span>();
  #peakBytes = 0;

  constructor(settings: TelemetrySettings, context: TelemetryContext) {
    this.#settings = settings;
    this.#context = context;
    const { env, command, version } = context;
    const resource = resourceFromAttributes({
      "service.version": version,
      ...Object.fromEntries(keyValues(env["OTEL_RESOURCE_ATTRIBUTES"])),
      "service.name": env["OTEL_SERVICE_NAME"] || serviceName(env["OTEL_RESOURCE_ATTRIBUTES"]),
    });
    const provider = new TracerProvider({
      resource,
      sampler: samplerOf(settings),
      spanProcessors: [new SimpleSpanProcessor({ exporter: this.#spans })],
    });
    const meters = new MeterProvider({ resource, readers: [this.#reader] });
    this.#instruments = instrumentsOf(meters, () => this.#peakBytes);
    const spans: Spans = {
      tracer: provider.getTracer("copilot", version),
      open: this.#open,
      left: MAX_SPANS,
    };
    this.span = startSpan(`copilot ${command}`, parentOf(env), { spans, attributes: {} });
    this.#sample();
    this.#stopSampling = context.system.clock.every(SAMPLE_MS, () => this.#sample());
  }

  request({ action, store, ms, retries, error }: Parameters<Telemetry["request"]>[0]): void {
    const attributes = { action, store, ...(error !== undefined && { "error.type": error }) };
    this.#instruments.requests.record(ms / 1000, attributes);
    if (retries > 0) this.#instruments.retries.add(retries, { action, store });
  }

  moved({ store, bytes, ms }: Parameters<Telemetry["moved"]>[0]): void {
    const attributes = { store, command: this.#context.command };
    this.#instruments.bytes.add(bytes, attributes);
    this.#instruments.objects.add(1, attributes);
    this.#instruments.seconds.add(ms / 1000, attributes);
  }

  waited(ms: number): void {
    this.#instruments.waiting.record(ms / 1000);
  }

  async close(): Promise<void> {
    this.#sample();
    this.#stopSampling();
    // What a failure has cut off, the parts before the whole.
    for (const span of [...this.#open].reverse()) span.end("aborted");
    const { format, tracesUrl, metricsUrl } = this.#settings;
    const exporter = new Exporter(this.#settings, this.#context);
    try {
      const spans = this.#spans.getFinishedSpans();
      const traces = format === "json" ? JsonTraceSerializer : ProtobufTraceSerializer;
      const metrics = format === "json" ? JsonMetricsSerializer : ProtobufMetricsSerializer;
      if (tracesUrl !== undefined && spans.length > 0) {
        await exporter.send("TRACES", tracesUrl, traces.serializeRequest(spans));
      }
      if (metricsUrl !== undefined) {
        const { resourceMetrics } = await this.#reader.collect();
        await exporter.send("METRICS", metricsUrl, metrics.serializeRequest(resourceMetrics));
      }
    } catch (thrown) {
      this.#context.log.warning("telemetry could not be sent", { error: explain(thrown) });
    } finally {
      exporter.close();
    }
  }

  #sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, this.#context.residentBytes());
  }
}

function serviceName(attributes: string | undefined): string {
  return keyValues(attributes).find(([key]) => key === "service.name")?.[1] ?? "flyte-copilot";
}

function instrumentsOf(meters: MeterProvider, peakBytes: () => number) {
  const meter = meters.getMeter("copilot");
  meter.createObservableGauge("copilot.memory.peak", { unit: "By", description: "Most memory held at once" })
    .addCallback((result) => result.observe(peakBytes()));
  return {
    bytes: meter.createCounter("copilot.bytes", { unit: "By", description: "Bytes of files moved" }),
    objects: meter.createCounter("copilot.objects", { unit: "{object}", description: "Files moved" }),
    seconds: meter.createCounter("copilot.transfer.time", {
      unit: "s",
      description: "Time of all transfers together",
    }),
    retries: meter.createCounter("copilot.retries", { unit: "{retry}", description: "Requests sent again" }),
    requests: meter.createHistogram("copilot.request.duration", {
      unit: "s",
      description: "Requests, retries included",
    }),
    waiting: meter.createGauge("copilot.wait", {
      unit: "s",
      description: "Time until the main container had ended",
    }),
  };
}

function samplerOf({ sampler, ratio }: TelemetrySettings): Sampler {
  const root = /always_off$/.test(sampler)
    ? new AlwaysOffSampler()
    : /traceidratio$/.test(sampler)
    ? new TraceIdRatioBasedSampler(ratio)
    : new AlwaysOnSampler();
  return sampler.startsWith("parentbased_") ? new ParentBasedSampler({ root }) : root;
}

/** The trace that the run is part of, where TRACEPARENT names one. */
function parentOf(env: Readonly<Record<string, string>>): Context {
  const carrier = { traceparent: env["TRACEPARENT"], tracestate: env["TRACESTATE"] };
  return new W3CTraceContextPropagator().extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
}

interface Spans {
  tracer: Tracer;
  /** Those that have not ended. */
  open: Set<Span>;
  /** How many more may be made. */
  left: number;
}

function startSpan(
  name: string,
  parent: Context,
  { spans, attributes }: { spans: Spans; attributes: Fields },
): Span {
  const span = spans.tracer.startSpan(
    name,
    { kind: SpanKind.INTERNAL, attributes: { ...attributes } },
    parent,
  );
  const own = trace.setSpan(parent, span);
  spans.left--;
  const told: Span = {
    child: (name, attributes = {}) => spans.left > 0 ? startSpan(name, own, { spans, attributes }) : UNTOLD,
    set: (attributes) => void span.setAttributes({ ...attributes }),
    end(error) {
      if (error !== undefined) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error });
        span.setAttribute("error.type", error);
      }
      span.end();
      spans.open.delete(told);
    },
  };
  spans.open.add(told);
  return told;
}

/** One span too many. */
const UNTOLD: Span = { child: () => UNTOLD, set() {}, end() {} };
