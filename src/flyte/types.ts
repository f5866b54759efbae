/**
 * The messages of flyteidl2.core that copilot reads and writes, as plain objects.
 *
 * Field names are the proto names in camelCase; a oneof is `{ case, value }` under the oneof's own name, undefined
 * when nothing is set; 64-bit integers are bigint; maps are Maps in wire order, and read-only, since all empty ones may be the same; bytes are Uint8Array. Scalars that
 * proto3 does not track have their zero value. `unknown` holds the raw bytes (tag included) of fields that the
 * schema does not name; they are written back at the end of their message.
 * @module
 */

/** What every message carries. */
export interface Message {
  unknown?: Uint8Array[];
}

/** google.protobuf.Timestamp. */
export interface Timestamp extends Message {
  seconds: bigint;
  nanos: number;
}

/** google.protobuf.Duration. */
export interface Duration extends Message {
  seconds: bigint;
  nanos: number;
}

/** google.protobuf.Struct. */
export interface Struct extends Message {
  fields: ReadonlyMap<string, StructValue>;
}

/** google.protobuf.Value. */
export interface StructValue extends Message {
  kind?:
    | { case: "nullValue"; value: number }
    | { case: "numberValue"; value: number }
    | { case: "stringValue"; value: string }
    | { case: "boolValue"; value: boolean }
    | { case: "structValue"; value: Struct }
    | { case: "listValue"; value: StructList };
}

/** google.protobuf.ListValue. */
export interface StructList extends Message {
  values: StructValue[];
}

/** flyteidl2.core.SimpleType. */
export const SimpleType = {
  NONE: 0,
  INTEGER: 1,
  FLOAT: 2,
  STRING: 3,
  BOOLEAN: 4,
  DATETIME: 5,
  DURATION: 6,
  BINARY: 7,
  ERROR: 8,
  STRUCT: 9,
} as const;

/** flyteidl2.core.BlobType.BlobDimensionality. */
export const Dimensionality = { SINGLE: 0, MULTIPART: 1 } as const;

/** flyteidl2.core.BlobType. */
export interface BlobType extends Message {
  format: string;
  dimensionality: number;
}

/** flyteidl2.core.SchemaType. */
export interface SchemaType extends Message {
  columns: (Message & { name: string; type: number })[];
}

/** flyteidl2.core.StructuredDatasetType. */
export interface StructuredDatasetType extends Message {
  columns: (Message & { name: string; literalType?: LiteralType })[];
  format: string;
  externalSchemaType: string;
  externalSchemaBytes: Uint8Array;
}

/** flyteidl2.core.EnumType. */
export interface EnumType extends Message {
  values: string[];
}

/** flyteidl2.core.UnionType. */
export interface UnionType extends Message {
  variants: LiteralType[];
}

/** flyteidl2.core.TypeAnnotation. */
export interface TypeAnnotation extends Message {
  annotations?: Struct;
}

/** flyteidl2.core.TypeStructure. */
export interface TypeStructure extends Message {
  tag: string;
  dataclassType: ReadonlyMap<string, LiteralType>;
}

/** flyteidl2.core.LiteralType. */
export interface LiteralType extends Message {
  type?:
    | { case: "simple"; value: number }
    | { case: "schema"; value: SchemaType }
    | { case: "collectionType"; value: LiteralType }
    | { case: "mapValueType"; value: LiteralType }
    | { case: "blob"; value: BlobType }
    | { case: "enumType"; value: EnumType }
    | { case: "structuredDatasetType"; value: StructuredDatasetType }
    | { case: "unionType"; value: UnionType };
  metadata?: Struct;
  annotation?: TypeAnnotation;
  structure?: TypeStructure;
}

/** flyteidl2.core.Primitive. */
export interface Primitive extends Message {
  value?:
    | { case: "integer"; value: bigint }
    | { case: "floatValue"; value: number }
    | { case: "stringValue"; value: string }
    | { case: "boolean"; value: boolean }
    | { case: "datetime"; value: Timestamp }
    | { case: "duration"; value: Duration };
}

/** flyteidl2.core.Blob. */
export interface Blob extends Message {
  metadata?: Message & { type?: BlobType };
  uri: string;
}

/** flyteidl2.core.Binary. */
export interface Binary extends Message {
  value: Uint8Array;
  tag: string;
}

/** flyteidl2.core.Schema. */
export interface Schema extends Message {
  uri: string;
  type?: SchemaType;
}

/** flyteidl2.core.StructuredDataset. */
export interface StructuredDataset extends Message {
  uri: string;
  metadata?: Message & { structuredDatasetType?: StructuredDatasetType };
}

/** flyteidl2.core.Error, a literal that is an error. */
export interface ErrorLiteral extends Message {
  failedNodeId: string;
  message: string;
}

/** flyteidl2.core.Union. */
export interface Union extends Message {
  value?: Literal;
  type?: LiteralType;
}

/** flyteidl2.core.Scalar. */
export interface Scalar extends Message {
  value?:
    | { case: "primitive"; value: Primitive }
    | { case: "blob"; value: Blob }
    | { case: "binary"; value: Binary }
    | { case: "schema"; value: Schema }
    | { case: "noneType"; value: Message }
    | { case: "error"; value: ErrorLiteral }
    | { case: "generic"; value: Struct }
    | { case: "structuredDataset"; value: StructuredDataset }
    | { case: "union"; value: Union };
}

/** flyteidl2.core.LiteralOffloadedMetadata. */
export interface OffloadedMetadata extends Message {
  uri: string;
  sizeBytes: bigint;
  inferredType?: LiteralType;
}

/** flyteidl2.core.Literal. */
export interface Literal extends Message {
  value?:
    | { case: "scalar"; value: Scalar }
    | { case: "collection"; value: LiteralCollection }
    | { case: "map"; value: LiteralMap }
    | { case: "offloadedMetadata"; value: OffloadedMetadata };
  hash: string;
  metadata: ReadonlyMap<string, string>;
}

/** flyteidl2.core.LiteralCollection. */
export interface LiteralCollection extends Message {
  literals: Literal[];
}

/** flyteidl2.core.LiteralMap. */
export interface LiteralMap extends Message {
  literals: ReadonlyMap<string, Literal>;
}

/** flyteidl2.core.Variable. */
export interface Variable extends Message {
  type?: LiteralType;
  description: string;
}

/** flyteidl2.core.VariableMap: repeated entries, not a map field. */
export interface VariableMap extends Message {
  variables: (Message & { key: string; value?: Variable })[];
}

/** flyteidl2.core.TypedInterface. */
export interface TypedInterface extends Message {
  inputs?: VariableMap;
  outputs?: VariableMap;
}

/** flyteidl2.core.ContainerError.Kind. */
export const ErrorKind = { NON_RECOVERABLE: 0, RECOVERABLE: 1 } as const;

/** flyteidl2.core.ExecutionError.ErrorKind, the origin of an error. */
export const ErrorOrigin = { UNKNOWN: 0, USER: 1, SYSTEM: 2 } as const;

/** flyteidl2.core.ContainerError. */
export interface ContainerError extends Message {
  code: string;
  message: string;
  kind: number;
  origin: number;
}

/** flyteidl2.core.ErrorDocument. */
export interface ErrorDocument extends Message {
  error?: ContainerError;
}
