/**
 * The flags that every command takes, and the configuration keys that are no flags.
 * @module
 */
import { CONNECTION_KEYS, REDIS_KEYS, STORAGE_TYPES, STOW_KINDS } from "../config/mod.ts";
import { type Flag, type FlagType, rows } from "./flag.ts";

const RUN = rows({ scope: "global", group: "run" }, [
  { name: "err-output-name", arg: "NAME", default: "error.pb", help: "Name of the error document" },
  {
    name: "exit-on-error",
    type: "bool",
    env: ["EXIT_ON_ERROR"],
    help: "Exit 1 after error.pb was written, or 0, as the original; unset: 1 on a terminal, else 0",
  },
  {
    name: "memory-limit",
    type: "quantity",
    help: "Bytes of data in memory at any moment, as 67108864, 64Mi or 1Gi; unset: by the container's limit",
  },
]);

const STORAGE = rows({ scope: "global", group: "storage" }, [
  {
    name: "config",
    type: "stringArray",
    help: "YAML file or glob; repeat or separate by commas, later ones override",
  },
  {
    name: "storage.type",
    arg: "KIND",
    default: "stow",
    values: STORAGE_TYPES,
    help:
      "stow, s3 and minio: the store of storage.stow, else of storage.connection; redis, a directory, or memory",
  },
  {
    name: "storage.stow.kind",
    arg: "KIND",
    default: "s3",
    values: STOW_KINDS,
    help: "Kind of store for storage.type stow, s3 and minio",
  },
  {
    name: "storage.stow.config",
    type: "stringToString",
    default: "region=us-east-1",
    secret: true,
    help:
      "Settings of that store as key=value; repeat or separate by commas; replaces what files say as a whole",
  },
  { name: "storage.container", arg: "NAME", help: "Accepted; URIs name their buckets themselves" },
  {
    name: "storage.enable-multicontainer",
    type: "bool",
    help: "Accepted; other buckets than storage.container are always allowed",
  },
  {
    name: "storage.limits.maxDownloadMBs",
    type: "int",
    default: "2",
    help: "Bound for metadata objects in MiB; 0 for none",
  },
]);

const CONNECTION = rows(
  { scope: "global", group: "storage" },
  Object.keys(CONNECTION_KEYS).map((key) => ({
    name: `storage.connection.${key}`,
    help: `As ${CONNECTION_KEYS[key]} of storage.stow.config; read where storage.stow.config is not given`,
    ...(key.endsWith("-key") ? { secret: true as const } : {}),
  })),
);

const REDIS = rows(
  { scope: "file", group: "storage" },
  Object.keys(REDIS_KEYS).map((key) => ({
    name: `storage.redis.${key}`,
    help: `As ${REDIS_KEYS[key]} of storage.stow.config of kind redis, for storage.type redis`,
    ...(key === "password" ? { secret: true as const } : {}),
  })),
);

const LOG = rows({ scope: "global", group: "log" }, [
  {
    name: "logger.level",
    type: "int",
    default: "3",
    words: { panic: 0, fatal: 1, error: 2, warning: 3, warn: 3, info: 4, debug: 5, trace: 6 },
    help:
      "0 panic, 1 fatal, 2 error, 3 warning, 4 info, 5 debug (a line a file), 6 trace (a line a request), or a name; unset on a terminal: 4",
  },
  {
    name: "logger.formatter.type",
    arg: "FORMAT",
    default: "json",
    values: ["json", "text"],
    help: "Lines of JSON or of text; unset on a terminal: text",
  },
  { name: "logger.mute", type: "bool", help: "No log lines at all" },
  {
    name: "otel.type",
    arg: "KIND",
    default: "noop",
    help:
      "Where telemetry goes: noop or otlphttp; OTEL_EXPORTER_OTLP_ENDPOINT in the environment turns it on too",
  },
  {
    name: "otel.otlphttp.endpoint",
    arg: "URL",
    default: "http://localhost:4318/v1/traces",
    help: "Collector's URL for traces; figures go to /v1/metrics beside it",
  },
  {
    name: "otel.sampler.parentSampler",
    arg: "NAME",
    default: "always",
    help: "Traces that begin here: always, or traceid for one of a hundred",
  },
]);

const KUBERNETES = rows({ scope: "global", group: "kubernetes" }, [
  {
    name: "namespace",
    arg: "NAME",
    short: "n",
    env: ["POD_NAMESPACE"],
    help: "Namespace of the own pod, for kube-api; unset: the service account's",
  },
  {
    name: "kubeconfig",
    arg: "FILE",
    env: ["KUBECONFIG"],
    help: "File for kube-api outside a pod; unset: the service account",
  },
  { name: "context", arg: "NAME", help: "Context within the kubeconfig; unset: its current one" },
]);

/** Flags of the original that mean nothing here: accepted, checked for their type, ignored. */
const COMPATIBILITY = rows(
  { scope: "global", group: "compatibility" },
  ([
    ["as", "string", ""],
    ["as-group", "stringArray", ""],
    ["as-uid", "string", ""],
    ["certificate-authority", "string", ""],
    ["client-certificate", "string", ""],
    ["client-key", "string", ""],
    ["cluster", "string", ""],
    ["disable-compression", "bool", ""],
    ["insecure-skip-tls-verify", "bool", ""],
    ["password", "string", ""],
    ["proxy-url", "string", ""],
    ["request-timeout", "string", "0"],
    ["server", "string", ""],
    ["tls-server-name", "string", ""],
    ["token", "string", ""],
    ["user", "string", ""],
    ["username", "string", ""],
    ["logger.show-source", "bool", ""],
    ["otel.file.filename", "string", "/tmp/trace.txt"],
    ["otel.jaeger.endpoint", "string", "http://localhost:14268/api/traces"],
    ["otel.otlpgrpc.endpoint", "string", "http://localhost:4317"],
    ["storage.cache.max_size_mbs", "int", ""],
    ["storage.cache.target_gc_percent", "int", ""],
    ["storage.defaultHttpClient.idleConnTimeout", "string", "1m30s"],
    ["storage.defaultHttpClient.maxConnsPerHost", "int", ""],
    ["storage.defaultHttpClient.maxIdleConns", "int", "1024"],
    ["storage.defaultHttpClient.maxIdleConnsPerHost", "int", "1024"],
    ["storage.defaultHttpClient.timeout", "string", "0s"],
    ["add_dir_header", "bool", ""],
    ["alsologtostderr", "bool", ""],
    ["alsologtostderrthreshold", "severity", ""],
    ["legacy_stderr_threshold_behavior", "bool", "true"],
    ["log_backtrace_at", "traceLocation", ""],
    ["log_dir", "string", ""],
    ["log_file", "string", ""],
    ["log_file_max_size", "uint", "1800"],
    ["logtostderr", "bool", "true"],
    ["one_output", "bool", ""],
    ["show-source", "bool", "", "s"],
    ["skip_headers", "bool", ""],
    ["skip_log_headers", "bool", ""],
    ["stderrthreshold", "severity", "2"],
    ["v", "Level", "", "v"],
    ["vmodule", "moduleSpec", ""],
  ] as [string, FlagType, string, string?][]).map(([name, type, value, short]) => ({
    name,
    type,
    default: value,
    help: "",
    ...(short === undefined ? {} : { short }),
    ...(/token|password|proxy-url/.test(name) ? { secret: true as const } : {}),
  })),
);

/** Flags that every command takes, before or after its name. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  ...RUN,
  ...STORAGE,
  ...CONNECTION,
  ...REDIS,
  ...LOG,
  ...KUBERNETES,
  ...COMPATIBILITY,
];
