/**
 * The project's own S3 and Google code against the vendors' libraries, on real servers: what one writes the other reads, bytes and
 * checksums included.
 */
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { type Bucket, Storage } from "@google-cloud/storage";
import assert from "assert";
import { Secret, type StoreSettings } from "../../src/config/mod.ts";
import type { BackendContext } from "../../src/storage/backend.ts";
import { openStore } from "../../src/storage/backends/mod.ts";
import { createHasher } from "../../src/storage/checksum.ts";
import { bytesSource, type ChecksumName, type ObjectStore, readAll } from "../../src/storage/store.ts";
import { parseUri } from "../../src/storage/uri.ts";
import { sys } from "../../src/system/deno.ts";
import { MIB, randomBytes } from "../support/flows.ts";
import { LIVE } from "../support/http.ts";
import { Buffer } from "node:buffer";

const REQUIRED = Deno.env.get("CI") === "true" && Deno.env.get("COPILOT_REQUIRE_SERVERS") === "1";
const CALL = { signal: LIVE };
/** Keys that are easily damaged by encoding them once too little or too often. */
const KEYS = ["plain", "a b+c%20d", "dir/x/y", "é/日本/😀", "q?a=b&c#d", "it's(a)*!~"];
/** An object in memory, one that is streamed, and one in parts. */
const SIZES = [0, 1, 300_000, 11 * MIB];

/** Runs a test on each server that a variable names. */
function onServers(
  name: string,
  variables: readonly string[],
  test: (endpoint: string) => Promise<void>,
): void {
  for (const variable of variables) {
    const endpoint = Deno.env.get(variable) ?? "";
    const isMissing = endpoint === "";
    Deno.test({
      name: `second opinion: ${name}, ${variable}${isMissing ? " (not set)" : ""}`,
      ignore: isMissing && !REQUIRED,
      async fn() {
        if (isMissing) throw new Error(`${variable} is not set`);
        await test(endpoint);
      },
      // The libraries keep sockets open.
      sanitizeResources: false,
      sanitizeOps: false,
    });
  }
}

/** A container as both sides see it. */
interface Sides extends AsyncDisposable {
  ours: ObjectStore;
  /** Puts an object by the vendor's library, with a checksum where it is named. */
  put(key: string, bytes: Uint8Array, checksum?: ChecksumName): Promise<void>;
  /** Reads and verifies an object by the vendor's library. */
  get(key: string): Promise<Uint8Array>;
  list(prefix: string): Promise<string[]>;
}

async function open(uri: string, settings: StoreSettings, env: Record<string, string>): Promise<ObjectStore> {
  const context: BackendContext = {
    system: sys,
    env,
    caCerts: [],
    allow: () => Promise.resolve(),
    signal: LIVE,
  };
  return await openStore(parseUri(uri, "the URI"), settings, context);
}

async function sum(name: ChecksumName, bytes: Uint8Array): Promise<string> {
  const hasher = await createHasher(name);
  hasher.update(bytes);
  return hasher.hex();
}

/** Writes by our code, in parts where the object is larger than one. */
async function write(store: ObjectStore, key: string, bytes: Uint8Array): Promise<void> {
  const partBytes = Math.max(store.traits.minPartBytes, 5 * MIB);
  // A stream, so that its checksum comes behind it.
  const stream = (part: Uint8Array) => ({ size: part.length, open: () => bytesSource(part).open() });
  if (bytes.length <= partBytes) {
    await store.put(key, bytes.length < MIB / 8 ? bytesSource(bytes) : stream(bytes), CALL);
    return;
  }
  const upload = await store.beginUpload(key, CALL);
  for (let at = 0, number = 1; at < bytes.length; at += partBytes, number++) {
    await upload.part(number, stream(bytes.subarray(at, at + partBytes)), CALL);
  }
  await upload.complete(CALL);
}

/** Reads by our code; holds the bytes against the checksum that the store declares. */
async function read(store: ObjectStore, key: string): Promise<{ bytes: Uint8Array; checksum?: string }> {
  const { info, body } = await store.get(key, CALL);
  const bytes = await readAll(body, 100 * MIB, () => new Error("too large"));
  assert.equal(bytes.length, info.size);
  if (info.checksum === undefined) return { bytes };
  assert.equal(await sum(info.checksum.name, bytes), info.checksum.hex, `${info.checksum.name} of ${key}`);
  return { bytes, checksum: info.checksum.name };
}

async function bothWays(sides: Sides): Promise<void> {
  for (const [index, size] of SIZES.entries()) {
    const bytes = randomBytes(size, index + 1);
    await write(sides.ours, `ours/${size}`, bytes);
    assert.deepEqual(await sides.get(`ours/${size}`), bytes, `${size} bytes, written by us`);
    await sides.put(`theirs/${size}`, bytes);
    assert.deepEqual(
      (await read(sides.ours, `theirs/${size}`)).bytes,
      bytes,
      `${size} bytes, written by them`,
    );
  }
  for (const key of KEYS) {
    const bytes = new TextEncoder().encode(key);
    await write(sides.ours, `ours/keys/${key}`, bytes);
    assert.deepEqual(await sides.get(`ours/keys/${key}`), bytes, key);
    await sides.put(`theirs/keys/${key}`, bytes);
    assert.deepEqual((await read(sides.ours, `theirs/keys/${key}`)).bytes, bytes, key);
  }
  for (const side of ["ours/keys/", "theirs/keys/"]) {
    const expected = KEYS.map((key) => `${side}${key}`).sort();
    assert.deepEqual((await sides.list(side)).sort(), expected);
    const { objects } = await sides.ours.list(side, CALL);
    assert.deepEqual(objects.map(({ key }) => key).sort(), expected);
  }
}

const S3_KEYS = { accessKeyId: "testkey", secretAccessKey: "testsecret" };

async function s3Sides(endpoint: string): Promise<Sides & { client: S3Client; bucket: string }> {
  const bucket = `second-${sys.randomHex(8)}`;
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials: S3_KEYS });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  const values = { access_key_id: S3_KEYS.accessKeyId, region: "us-east-1", endpoint };
  const secrets = { secret_key: new Secret(S3_KEYS.secretAccessKey) };
  const ours = await open(`s3://${bucket}`, { kind: "s3", values, secrets }, {});
  return {
    ours,
    client,
    bucket,
    async put(Key, Body, checksum) {
      const algorithm = checksum?.toUpperCase() as "CRC32" | undefined;
      await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key,
          Body,
          ...(algorithm && { ChecksumAlgorithm: algorithm }),
        }),
      );
    },
    async get(Key) {
      // The SDK verifies what it reads where the store gives a checksum.
      const { Body } = await client.send(
        new GetObjectCommand({ Bucket: bucket, Key, ChecksumMode: "ENABLED" }),
      );
      return await Body!.transformToByteArray();
    },
    async list(Prefix) {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix }));
      return Contents.map(({ Key }) => Key!);
    },
    [Symbol.asyncDispose]() {
      client.destroy();
      ours.close();
      return Promise.resolve();
    },
  };
}

const S3_SERVERS = ["COPILOT_TEST_S3", "COPILOT_TEST_MINIO"];

onServers("S3, both ways", S3_SERVERS, async (endpoint) => {
  await using sides = await s3Sides(endpoint);
  await bothWays(sides);
});

onServers("S3, every checksum of the SDK is verified", S3_SERVERS, async (endpoint) => {
  await using sides = await s3Sides(endpoint);
  const bytes = randomBytes(70_000);
  for (const name of ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const) {
    await sides.put(name, bytes, name);
    const found = await read(sides.ours, name);
    assert.deepEqual(found.bytes, bytes);
    assert.equal(found.checksum, name);
  }
});

onServers("S3, the checksums that we send are the store's", S3_SERVERS, async (endpoint) => {
  await using sides = await s3Sides(endpoint);
  for (const size of [9, 300_000]) {
    const bytes = randomBytes(size);
    await write(sides.ours, `k${size}`, bytes);
    const head = await sides.client.send(
      new HeadObjectCommand({ Bucket: sides.bucket, Key: `k${size}`, ChecksumMode: "ENABLED" }),
    );
    const hex = await sum("crc32", bytes);
    assert.equal(head.ChecksumCRC32, Uint8Array.fromHex(hex).toBase64());
  }
});

onServers("S3, an upload of the SDK in parts", S3_SERVERS, async (endpoint) => {
  await using sides = await s3Sides(endpoint);
  const { client, bucket: Bucket } = sides;
  const bytes = randomBytes(11 * MIB);
  const Key = "parts";
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "CRC32" }),
  );
  const Parts = [];
  for (let PartNumber = 1; (PartNumber - 1) * 5 * MIB < bytes.length; PartNumber++) {
    const Body = bytes.subarray((PartNumber - 1) * 5 * MIB, PartNumber * 5 * MIB);
    const { ETag, ChecksumCRC32 } = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm: "CRC32" }),
    );
    Parts.push({ PartNumber, ETag, ChecksumCRC32 });
  }
  await client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
  );
  assert.deepEqual((await read(sides.ours, Key)).bytes, bytes);
});

async function gcsSides(endpoint: string): Promise<Sides> {
  const name = `second-${sys.randomHex(8)}`;
  const storage = new Storage({ apiEndpoint: endpoint, projectId: "test", useAuthWithCustomEndpoint: false });
  const [bucket]: [Bucket, unknown] = await storage.createBucket(name);
  const ours = await open(`gs://${name}`, { kind: "google", values: {}, secrets: {} }, {
    STORAGE_EMULATOR_HOST: endpoint,
  });
  return {
    ours,
    async put(key, bytes) {
      const resumable = bytes.length > MIB;
      await bucket.file(key).save(Buffer.from(bytes), { resumable, validation: "crc32c" });
    },
    async get(key) {
      const [bytes] = await bucket.file(key).download({ validation: "crc32c" });
      return new Uint8Array(bytes);
    },
    async list(prefix) {
      const [files] = await bucket.getFiles({ prefix });
      return files.map((file) => file.name);
    },
    [Symbol.asyncDispose]() {
      ours.close();
      return Promise.resolve();
    },
  };
}

onServers("Google Cloud Storage, both ways", ["COPILOT_TEST_GCS"], async (endpoint) => {
  await using sides = await gcsSides(endpoint);
  await bothWays(sides);
  assert.equal((await read(sides.ours, "theirs/300000")).checksum, "crc32c");
});
