/**
 * Tables of the messages in proto/ and of Google's types that they use. Written by scripts/gen_schema.ts: change proto/
 * and run that instead.
 * @module
 */

/** One field: number on the wire, name in types.ts, and what stands there. */
export interface Field {
  no: number;
  name: string;
  /** A scalar of protobuf, `enum`, or the name of a message. */
  type: string;
  /** The name of the enum. */
  enum?: string;
  repeated?: true;
  /** A map from strings to `type`. */
  map?: true;
  /** The oneof that the field belongs to. */
  oneof?: string;
}

/** Fields by message, in the order of their numbers. */
export const MESSAGES: Readonly<Record<string, readonly Field[]>> = {
  Struct: [
    { no: 1, name: "fields", type: "Value", map: true },
  ],
  Value: [
    { no: 1, name: "nullValue", type: "enum", enum: "NullValue", oneof: "kind" },
    { no: 2, name: "numberValue", type: "double", oneof: "kind" },
    { no: 3, name: "stringValue", type: "string", oneof: "kind" },
    { no: 4, name: "boolValue", type: "bool", oneof: "kind" },
    { no: 5, name: "structValue", type: "Struct", oneof: "kind" },
    { no: 6, name: "listValue", type: "ListValue", oneof: "kind" },
  ],
  ListValue: [
    { no: 1, name: "values", type: "Value", repeated: true },
  ],
  Timestamp: [
    { no: 1, name: "seconds", type: "int64" },
    { no: 2, name: "nanos", type: "int32" },
  ],
  Duration: [
    { no: 1, name: "seconds", type: "int64" },
    { no: 2, name: "nanos", type: "int32" },
  ],
  Primitive: [
    { no: 1, name: "integer", type: "int64", oneof: "value" },
    { no: 2, name: "floatValue", type: "double", oneof: "value" },
    { no: 3, name: "stringValue", type: "string", oneof: "value" },
    { no: 4, name: "boolean", type: "bool", oneof: "value" },
    { no: 5, name: "datetime", type: "Timestamp", oneof: "value" },
    { no: 6, name: "duration", type: "Duration", oneof: "value" },
  ],
  Void: [],
  Blob: [
    { no: 1, name: "metadata", type: "BlobMetadata" },
    { no: 3, name: "uri", type: "string" },
  ],
  BlobMetadata: [
    { no: 1, name: "type", type: "BlobType" },
  ],
  Binary: [
    { no: 1, name: "value", type: "bytes" },
    { no: 2, name: "tag", type: "string" },
  ],
  Schema: [
    { no: 1, name: "uri", type: "string" },
    { no: 3, name: "type", type: "SchemaType" },
  ],
  Union: [
    { no: 1, name: "value", type: "Literal" },
    { no: 2, name: "type", type: "LiteralType" },
  ],
  StructuredDatasetMetadata: [
    { no: 1, name: "structuredDatasetType", type: "StructuredDatasetType" },
  ],
  StructuredDataset: [
    { no: 1, name: "uri", type: "string" },
    { no: 2, name: "metadata", type: "StructuredDatasetMetadata" },
  ],
  Scalar: [
    { no: 1, name: "primitive", type: "Primitive", oneof: "value" },
    { no: 2, name: "blob", type: "Blob", oneof: "value" },
    { no: 3, name: "binary", type: "Binary", oneof: "value" },
    { no: 4, name: "schema", type: "Schema", oneof: "value" },
    { no: 5, name: "noneType", type: "Void", oneof: "value" },
    { no: 6, name: "error", type: "Error", oneof: "value" },
    { no: 7, name: "generic", type: "Struct", oneof: "value" },
    { no: 8, name: "structuredDataset", type: "StructuredDataset", oneof: "value" },
    { no: 9, name: "union", type: "Union", oneof: "value" },
  ],
  Literal: [
    { no: 1, name: "scalar", type: "Scalar", oneof: "value" },
    { no: 2, name: "collection", type: "LiteralCollection", oneof: "value" },
    { no: 3, name: "map", type: "LiteralMap", oneof: "value" },
    { no: 4, name: "hash", type: "string" },
    { no: 5, name: "metadata", type: "string", map: true },
    { no: 8, name: "offloadedMetadata", type: "LiteralOffloadedMetadata", oneof: "value" },
  ],
  LiteralOffloadedMetadata: [
    { no: 1, name: "uri", type: "string" },
    { no: 2, name: "sizeBytes", type: "uint64" },
    { no: 3, name: "inferredType", type: "LiteralType" },
  ],
  LiteralCollection: [
    { no: 1, name: "literals", type: "Literal", repeated: true },
  ],
  LiteralMap: [
    { no: 1, name: "literals", type: "Literal", map: true },
  ],
  SchemaType: [
    { no: 3, name: "columns", type: "SchemaType.SchemaColumn", repeated: true },
  ],
  "SchemaType.SchemaColumn": [
    { no: 1, name: "name", type: "string" },
    { no: 2, name: "type", type: "enum", enum: "SchemaType.SchemaColumn.SchemaColumnType" },
  ],
  StructuredDatasetType: [
    { no: 1, name: "columns", type: "StructuredDatasetType.DatasetColumn", repeated: true },
    { no: 2, name: "format", type: "string" },
    { no: 3, name: "externalSchemaType", type: "string" },
    { no: 4, name: "externalSchemaBytes", type: "bytes" },
  ],
  "StructuredDatasetType.DatasetColumn": [
    { no: 1, name: "name", type: "string" },
    { no: 2, name: "literalType", type: "LiteralType" },
  ],
  BlobType: [
    { no: 1, name: "format", type: "string" },
    { no: 2, name: "dimensionality", type: "enum", enum: "BlobType.BlobDimensionality" },
  ],
  EnumType: [
    { no: 1, name: "values", type: "string", repeated: true },
  ],
  UnionType: [
    { no: 1, name: "variants", type: "LiteralType", repeated: true },
  ],
  TypeStructure: [
    { no: 1, name: "tag", type: "string" },
    { no: 2, name: "dataclassType", type: "LiteralType", map: true },
  ],
  TypeAnnotation: [
    { no: 1, name: "annotations", type: "Struct" },
  ],
  LiteralType: [
    { no: 1, name: "simple", type: "enum", enum: "SimpleType", oneof: "type" },
    { no: 2, name: "schema", type: "SchemaType", oneof: "type" },
    { no: 3, name: "collectionType", type: "LiteralType", oneof: "type" },
    { no: 4, name: "mapValueType", type: "LiteralType", oneof: "type" },
    { no: 5, name: "blob", type: "BlobType", oneof: "type" },
    { no: 6, name: "metadata", type: "Struct" },
    { no: 7, name: "enumType", type: "EnumType", oneof: "type" },
    { no: 8, name: "structuredDatasetType", type: "StructuredDatasetType", oneof: "type" },
    { no: 9, name: "annotation", type: "TypeAnnotation" },
    { no: 10, name: "unionType", type: "UnionType", oneof: "type" },
    { no: 11, name: "structure", type: "TypeStructure" },
  ],
  Error: [
    { no: 1, name: "failedNodeId", type: "string" },
    { no: 2, name: "message", type: "string" },
  ],
  Variable: [
    { no: 1, name: "type", type: "LiteralType" },
    { no: 2, name: "description", type: "string" },
  ],
  VariableEntry: [
    { no: 1, name: "key", type: "string" },
    { no: 2, name: "value", type: "Variable" },
  ],
  VariableMap: [
    { no: 1, name: "variables", type: "VariableEntry", repeated: true },
  ],
  TypedInterface: [
    { no: 1, name: "inputs", type: "VariableMap" },
    { no: 2, name: "outputs", type: "VariableMap" },
  ],
  ContainerError: [
    { no: 1, name: "code", type: "string" },
    { no: 2, name: "message", type: "string" },
    { no: 3, name: "kind", type: "enum", enum: "ContainerError.Kind" },
    { no: 4, name: "origin", type: "enum", enum: "ExecutionError.ErrorKind" },
  ],
  ErrorDocument: [
    { no: 1, name: "error", type: "ContainerError" },
  ],
};

/** Names of values by enum. */
export const ENUMS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  NullValue: {
    0: "NULL_VALUE",
  },
  SimpleType: {
    0: "NONE",
    1: "INTEGER",
    2: "FLOAT",
    3: "STRING",
    4: "BOOLEAN",
    5: "DATETIME",
    6: "DURATION",
    7: "BINARY",
    8: "ERROR",
    9: "STRUCT",
  },
  "SchemaType.SchemaColumn.SchemaColumnType": {
    0: "INTEGER",
    1: "FLOAT",
    2: "STRING",
    3: "BOOLEAN",
    4: "DATETIME",
    5: "DURATION",
  },
  "BlobType.BlobDimensionality": {
    0: "SINGLE",
    1: "MULTIPART",
  },
  "ExecutionError.ErrorKind": {
    0: "UNKNOWN",
    1: "USER",
    2: "SYSTEM",
  },
  "ContainerError.Kind": {
    0: "NON_RECOVERABLE",
    1: "RECOVERABLE",
  },
};
