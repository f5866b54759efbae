/**
 * What the AWS SDK does for a store: listing and the control of multipart uploads. Loaded with the first call that needs it.
 * @module
 */
import type { S3Client } from "@aws-sdk/client-s3";
import { from } from "../../../errors.ts";
import { hexToBase64 } from "../../checksum.ts";
import type { ListPage, ObjectInfo } from "../../store.ts";
import type { Credentials } from "./credentials.ts";
import { faultOf, sdkConfig } from "./sdk.ts";
import { redact, Refusal, type Transport } from "./transport.ts";

type Sdk = typeof import("@aws-sdk/client-s3");

/** A part that the store has. */
export interface UploadedPart {
  number: number;
  size: number;
  etag: string;
  /** CRC32 in hexadecimal. */
  crc?: string;
}

/** An upload that the store has opened. */
export interface OpenedUpload {
  id: string;
  /** The store keeps checksums of its parts. */
  hasChecksums: boolean;
  /** It checks one of the whole object. */
  isFullObject: boolean;
}

/** A call's key and signal. */
interface About {
  key: string;
  signal: AbortSignal;
}

/** Listing and multipart control of one store. */
export class Control {
  readonly #transport: Transport;
  readonly #signal: AbortSignal;
  #client: { of: Credentials; region: string; skewMs: number; client: S3Client } | null = null;

  /** @param signal ends whatever has no signal of its own */
  constructor(transport: Transport, signal: AbortSignal) {
    this.#transport = transport;
    this.#signal = signal;
  }

  /** A page of the keys below a prefix. */
  async list(prefix: string, options: { token: string | undefined; signal: AbortSignal }): Promise<ListPage> {
    const output = await this.#run(
      { key: prefix, signal: options.signal },
      (sdk) =>
        new sdk.ListObjectsV2Command({
          Bucket: this.#transport.address.bucket,
          Prefix: prefix,
          // XML cannot hold every character that a key can.
          EncodingType: "url",
          ...(options.token !== undefined && { ContinuationToken: options.token }),
        }),
    );
    const decode = output.EncodingType === "url" ? decodeListed : (text: string) => text;
    const objects = (output.Contents ?? []).map(({ Key = "", Size = 0, ETag }): ObjectInfo => ({
      key: decode(Key),
      size: Size,
      ...(ETag !== undefined && { etag: ETag }),
    }));
    return {
      objects,
      ...(output.IsTruncated && output.NextContinuationToken && { next: output.NextContinuationToken }),
    };
  }

  /** Opens an upload. */
  async create(about: About, options: { checksums: boolean }): Promise<OpenedUpload> {
    const output = await this.#run(about, (sdk) =>
      new sdk.CreateMultipartUploadCommand({
        ...this.#name(about.key),
        ...(options.checksums && { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" }),
      }));
    return {
      id: output.UploadId ?? "",
      hasChecksums: output.ChecksumAlgorithm === "CRC32",
      isFullObject: output.ChecksumType === "FULL_OBJECT",
    };
  }

  /** Makes an object of parts, which are sorted by number. */
  async complete(
    about: About,
    upload: OpenedUpload,
    object: { parts: readonly UploadedPart[]; size: number; crc: string | undefined },
  ): Promise<string | undefined> {
    const { parts, size, crc } = object;
    const output = await this.#run(about, (sdk) =>
      new sdk.CompleteMultipartUploadCommand({
        ...this.#name(about.key),
        UploadId: upload.id,
        MultipartUpload: {
          Parts: parts.map((part) => ({
            PartNumber: part.number,
            ETag: part.etag,
            ...(upload.hasChecksums && part.crc !== undefined && { ChecksumCRC32: hexToBase64(part.crc) }),
          })),
        },
        ...(upload.isFullObject && crc !== undefined &&
          { ChecksumCRC32: hexToBase64(crc), ChecksumType: "FULL_OBJECT" as const, MpuObjectSize: size }),
      }));
    return output.ETag;
  }

  /** Removes an upload and its parts. */
  async abort(about: About, id: string): Promise<void> {
    await this.#run(
      about,
      (sdk) => new sdk.AbortMultipartUploadCommand({ ...this.#name(about.key), UploadId: id }),
    );
  }

  close(): void {
    this.#client?.client.destroy();
    this.#client = null;
  }

  #name(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#transport.address.bucket, Key: key };
  }

  /** Runs a command; what the store refuses becomes a Refusal. */
  // deno-lint-ignore no-explicit-any -- the SDK's overloads of `send` cannot be named
  #run<C extends { resolveMiddleware: any }>(about: About, command: (sdk: Sdk) => C): Promise<OutputOf<C>> {
    return this.#transport.attempt(about, async (credentials) => {
      const sdk = await import("@aws-sdk/client-s3");
      const client = this.#clientFor(sdk, credentials);
      try {
        // deno-lint-ignore no-explicit-any -- as above
        return await client.send(command(sdk) as any, { abortSignal: about.signal }) as OutputOf<C>;
      } catch (thrown) {
        const fault = faultOf(thrown);
        if (fault !== null) throw new Refusal({ ...fault, message: redact(fault.message, credentials) });
        const object = this.#transport.uri(about.key);
        throw from(thrown, `Cannot get a reply about "${object}"`, { fallback: "network", object });
      }
    });
  }

  #clientFor(sdk: Sdk, credentials: Credentials): S3Client {
    const { address, http, skewMs } = this.#transport;
    const known = this.#client;
    if (known?.of === credentials && known.region === address.region && known.skewMs === skewMs) {
      return known.client;
    }
    const client = new sdk.S3Client({
      ...sdkConfig({ http, region: address.region, object: this.#transport.uri(""), signal: this.#signal }),
      endpoint: address.serviceUrl,
      forcePathStyle: address.isPathStyle,
      systemClockOffset: skewMs,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      disableS3ExpressSessionAuth: true,
      useArnRegion: false,
      authSchemePreference: () => Promise.resolve([]),
      sigv4aSigningRegionSet: () => Promise.resolve(undefined),
      credentials: {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: credentials.secretAccessKey.reveal(),
        ...(credentials.sessionToken !== undefined && { sessionToken: credentials.sessionToken.reveal() }),
      },
    });
    this.#client = { of: credentials, region: address.region, skewMs, client };
    return client;
  }
}

/** A command's output, out of the type that the SDK gives its middleware. */
type OutputOf<C> = C extends
  { resolveMiddleware(...args: never[]): (...args: never[]) => Promise<{ output: infer O }> } ? O
  : never;

/** A key out of a listing with `encoding-type=url`, which writes a space as `+`. */
function decodeListed(text: string): string {
  return decodeURIComponent(text.replaceAll("+", "%20"));
}
