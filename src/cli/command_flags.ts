/**
 * The flags of each command.
 * @module
 */
import { WATCHERS } from "./commands.ts";
import { VERIFY_MODES } from "../config/verify_modes.ts";
import {
  DOCUMENT_FORMATS,
  DOCUMENT_KINDS,
  DOWNLOAD_MODES,
  FILE_LAYOUTS,
  INSPECT_FORMATS,
  UPLOAD_MODES,
} from "../flyte/modes.ts";
import { type Flag, type FlagRow, rows } from "./flag.ts";

const DRY_RUN: FlagRow = {
  name: "dry-run",
  type: "bool",
  help: "Show what would be moved, with sizes and places, and move nothing",
};

const DOWNLOAD = rows({ scope: "download", group: "command" }, [
  { name: "from-remote", arg: "URI", short: "f", required: true, help: "URI of the inputs, a LiteralMap" },
  {
    name: "to-output-prefix",
    arg: "URI",
    help:
      "URI prefix for error.pb, should the download fail; without it nothing is written there, and a failure exits 1",
  },
  {
    name: "to-local-dir",
    arg: "DIR",
    short: "o",
    required: true,
    help: "Directory for the inputs; made if missing",
  },
  {
    name: "format",
    arg: "FORMAT",
    short: "m",
    default: "JSON",
    values: DOCUMENT_FORMATS,
    lenient: true,
    help: "Document beside inputs.pb; PROTO: none",
  },
  {
    name: "file-input-layout",
    arg: "LAYOUT",
    default: "DIRECT",
    values: FILE_LAYOUTS,
    lenient: true,
    help: "A blob's place: <var> itself, or <var>/<name of the file>",
  },
  {
    name: "download-mode",
    arg: "MODE",
    short: "d",
    default: "DOWNLOAD_EAGER",
    values: DOWNLOAD_MODES,
    help: "Everything at once, one by one with end markers, or no blobs at all",
  },
  { name: "input-interface", short: "i", type: "bytesBase64", help: "VariableMap of the inputs in base64" },
  {
    name: "timeout",
    short: "t",
    type: "duration",
    default: "1h0m0s",
    help: "Bound for the download; 0 for none",
  },
  {
    name: "verify",
    arg: "WHEN",
    default: "auto",
    values: VERIFY_MODES,
    help: "Compare MD5s of large objects: not over TLS, always, or never; CRCs are always compared",
  },
  {
    name: "allow-link-local",
    type: "bool",
    help: "Let http inputs be fetched from link-local addresses, where clouds serve credentials",
  },
  DRY_RUN,
]);

const SIDECAR = rows({ scope: "sidecar", group: "command" }, [
  { name: "from-local-dir", arg: "DIR", short: "f", required: true, help: "Directory with the outputs" },
  {
    name: "to-raw-output",
    arg: "URI",
    short: "x",
    required: true,
    help: "URI prefix for the files among the outputs",
  },
  {
    name: "to-output-prefix",
    arg: "URI",
    short: "o",
    required: true,
    help: "URI prefix for outputs.pb, or error.pb should it fail",
  },
  {
    name: "interface",
    short: "i",
    type: "bytesBase64",
    help: "TypedInterface of the task in base64; none: no outputs",
  },
  { name: "meta-output-name", arg: "NAME", default: "outputs.pb", help: "Name of the outputs' LiteralMap" },
  {
    name: "format",
    arg: "FORMAT",
    short: "m",
    default: "JSON",
    values: DOCUMENT_FORMATS,
    help: "Accepted for the original's sake; outputs.pb is protobuf always",
  },
  {
    name: "upload-mode",
    arg: "MODE",
    short: "u",
    default: "UPLOAD_ON_EXIT",
    values: UPLOAD_MODES,
    help: "Upload when main has ended, also while it runs, or write references only",
  },
  {
    name: "start-watcher-type",
    type: "list",
    default: "auto",
    values: WATCHERS,
    help: "How main's start is seen; several by comma: the first that sees it wins",
  },
  {
    name: "exit-watcher-type",
    type: "list",
    values: WATCHERS,
    help:
      "How main's end is seen; several by comma: the first that sees it wins; unset: as --start-watcher-type",
  },
  {
    name: "grace",
    type: "duration",
    default: "0",
    help:
      "Time between main's end and SIGKILL, where it is not --timeout: the pod's terminationGracePeriodSeconds",
  },
  {
    name: "start-timeout",
    type: "duration",
    default: "0",
    help: "Bound for the wait for main's start; 0 for none",
  },
  {
    name: "timeout",
    short: "t",
    type: "duration",
    default: "1h0m0s",
    help: "Bound for the upload, counted from main's end; 0 for none",
  },
  { name: "watch-container", arg: "NAME", env: ["WATCH_CONTAINER"], help: "Name of the main container" },
  {
    name: "watch-container-id",
    arg: "ID",
    env: ["WATCH_CONTAINER_ID"],
    help: "Id of the main container, or its beginning; wins over the name",
  },
  {
    name: "pod-name",
    arg: "NAME",
    env: ["POD_NAME"],
    help: "Name of the own pod, for kube-api; from the downward API: metadata.name",
  },
  {
    name: "exit-after-upload",
    type: "bool",
    env: ["EXIT_AFTER_UPLOAD"],
    help:
      "Exit once the upload is done (true) or wait for SIGTERM (false); unset: wait in what may be a native sidecar",
  },
  DRY_RUN,
]);

const INSPECT = rows({ scope: "inspect", group: "command" }, [
  {
    name: "output",
    arg: "FORMAT",
    short: "o",
    default: "table",
    values: INSPECT_FORMATS,
    help: "How the document is shown",
  },
  {
    name: "kind",
    arg: "KIND",
    default: "auto",
    values: ["auto", ...DOCUMENT_KINDS],
    help:
      "What the document is: LiteralMap, Literal, ErrorDocument, TypedInterface or VariableMap; auto finds out",
  },
  { name: "sizes", type: "bool", help: "Also show number and bytes of the objects that the document names" },
  { name: "diff", type: "bool", help: "Compare two documents; exit status 1 where they differ" },
]);

const CONFIG = rows({ scope: "config", group: "command" }, [
  { name: "file", type: "stringArray", help: "As --config; the original's name for it" },
  { name: "strict", type: "bool", help: "Accepted; unknown keys are an error always" },
]);

const INTERFACE = rows({ scope: "interface", group: "command" }, [
  {
    name: "input",
    arg: "NAME:TYPE",
    type: "stringArray",
    help: "An input of the task, which an upload has no use for; repeat",
  },
]);

/** Flags that only one command takes. */
export const COMMAND_FLAGS: readonly Flag[] = [...DOWNLOAD, ...SIDECAR, ...INSPECT, ...INTERFACE, ...CONFIG];
