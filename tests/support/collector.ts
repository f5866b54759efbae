/**
 * A collector of OpenTelemetry's: an HTTP server that decodes what OTLP/HTTP sends it. The messages are read by their numbers, as
 * opentelemetry-proto has them (trace/v1, metrics/v1), and not by the packages that write them.
 * @module
 */
import protobuf from "protobufjs";

const SCHEMA = `
syntax = "proto3";
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Status { string message = 2; int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
}
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message TracesData { repeated ResourceSpans resource_spans = 1; }
message NumberDataPoint { repeated KeyValue attributes = 7; double as_double = 4; sfixed64 as_int = 6; }
message HistogramDataPoint { repeated KeyValue attributes = 9; fixed64 count = 4; double sum = 5; }
message Gauge { repeated NumberDataPoint data_points = 1; }
message Sum { repeated NumberDataPoint data_points = 1; }
message Histogram { repeated HistogramDataPoint data_points = 1; }
message Metric { string name = 1; string unit = 3; Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; }
message ScopeMetrics { repeated Metric metrics = 2; }
message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
message MetricsData { repeated ResourceMetrics resource_metrics = 1; }
`;

/** A span as it arrived. */
export interface CollectedSpan {
  name: string;
  traceId: string;
  id: string;
  parentId: string;
  attributes: Record<string, unknown>;
  /** 2: an error. */
  status: number;
  nanoseconds: bigint;
}

/** What was told of one instrument: the sums of its points, and their attributes. */
export interface CollectedMetric {
  unit: string;
  sum: number;
  attributes: Record<string, unknown>[];
}

/** A request as it arrived. */
export interface CollectedRequest {
  path: string;
  type: string | null;
  headers: Headers;
  body: Uint8Array;
}

// deno-lint-ignore no-explicit-any -- decoded by a schema that is read at run time
type Decoded = any;

function attributesOf(pairs: Decoded[] = []): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => {
    const [[kind, one] = []] = Object.entries(value ?? {});
    return [key, kind === "intValue" ? Number(one) : one];
  }));
}

const hex = (bytes: Uint8Array = new Uint8Array(0)) => new Uint8Array(bytes).toHex();

/** The collector. */
export class Collector implements AsyncDisposable {
  readonly requests: CollectedRequest[] = [];
  /** Answers to come, before 200. */
  readonly answers: number[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #root = protobuf.parse(SCHEMA).root;

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(options, async (request) => {
      const { pathname } = new URL(request.url);
      const body = new Uint8Array(await request.arrayBuffer());
      this.requests.push({
        path: pathname,
        type: request.headers.get("content-type"),
        headers: request.headers,
        body,
      });
      return new Response("", { status: this.answers.shift() ?? 200 });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Every span that arrived below `/v1/traces` in protobuf. */
  get spans(): CollectedSpan[] {
    return this.#decoded("TracesData", "/v1/traces").flatMap(({ resourceSpans = [] }) =>
      resourceSpans.flatMap(({ scopeSpans = [] }: Decoded) =>
        scopeSpans.flatMap(({ spans = [] }: Decoded) => spans)
      )
    ).map((span: Decoded) => ({
      name: span.name,
      traceId: hex(span.traceId),
      id: hex(span.spanId),
      parentId: hex(span.parentSpanId),
      attributes: attributesOf(span.attributes),
      status: span.status?.code ?? 0,
      nanoseconds: BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano),
    }));
  }

  /** The resource's attributes of the first request. */
  get resource(): Record<string, unknown> {
    return attributesOf(
      this.#decoded("TracesData", "/v1/traces")[0]?.resourceSpans?.[0]?.resource?.attributes,
    );
  }

  /** Every metric that arrived below `/v1/metrics`, by its name. */
  get metrics(): Record<string, CollectedMetric> {
    const metrics = this.#decoded("MetricsData", "/v1/metrics").flatMap(({ resourceMetrics = [] }) =>
      resourceMetrics.flatMap(({ scopeMetrics = [] }: Decoded) =>
        scopeMetrics.flatMap(({ metrics = [] }: Decoded) => metrics)
      )
    );
    return Object.fromEntries(metrics.map((metric: Decoded) => {
      const points: Decoded[] = (metric.sum ?? metric.gauge ?? metric.histogram).dataPoints ?? [];
      const value = (point: Decoded) => Number(point.asDouble ?? point.asInt ?? point.sum ?? 0);
      return [metric.name, {
        unit: metric.unit,
        sum: points.reduce((sum, point) => sum + value(point), 0),
        attributes: points.map((point) => attributesOf(point.attributes)),
      }];
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #decoded(name: string, path: string): Decoded[] {
    const type = this.#root.lookupType(name);
    const own = this.requests.filter((request) => request.path === path);
    return own.map(({ body }) => type.toObject(type.decode(body), { longs: String }));
  }
}
