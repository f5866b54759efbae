/**
 * What may be chosen about a download or an upload, as Flyte's own flags spell it. Each enumeration is written here once.
 * @module
 */

/** Documents beside inputs.pb; PROTO is none. */
export const DOCUMENT_FORMATS = ["JSON", "YAML", "PROTO"] as const;

/** Where a single blob goes: DIRECT is `<variable>`, NAMED_DIR is `<variable>/<name of its object>`. */
export const FILE_LAYOUTS = ["DIRECT", "NAMED_DIR"] as const;
/** One of {@linkcode FILE_LAYOUTS}. */
export type FileLayout = typeof FILE_LAYOUTS[number];

/** Everything at once, one by one with end markers, or no blobs at all. */
export const DOWNLOAD_MODES = ["DOWNLOAD_EAGER", "DOWNLOAD_STREAM", "DO_NOT_DOWNLOAD"] as const;
/** One of {@linkcode DOWNLOAD_MODES}. */
export type DownloadMode = typeof DOWNLOAD_MODES[number];

/** When main has ended, already while it runs, or references only. */
export const UPLOAD_MODES = ["UPLOAD_ON_EXIT", "UPLOAD_EAGER", "DO_NOT_UPLOAD"] as const;
/** One of {@linkcode UPLOAD_MODES}. */
export type UploadMode = typeof UPLOAD_MODES[number];

/**
 * What a document can be: a LiteralMap (inputs.pb, outputs.pb), one Literal (an offloaded one), an ErrorDocument, a TypedInterface, a
 * VariableMap.
 */
export const DOCUMENT_KINDS = ["literals", "literal", "error", "interface", "variables"] as const;
/** One of {@linkcode DOCUMENT_KINDS}. */
export type DocumentKind = typeof DOCUMENT_KINDS[number];

/** How a document is shown. */
export const INSPECT_FORMATS = ["table", "json", "yaml"] as const;
/** One of {@linkcode INSPECT_FORMATS}. */
export type InspectFormat = typeof INSPECT_FORMATS[number];
