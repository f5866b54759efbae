/**
 * The store behind the proxy as the judge sees it: through the AWS SDK, past the program under test.
 * @module
 */
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";

/** Keys of scripts/servers.sh. */
export const ACCESS_KEY = "testkey";
export const SECRET_KEY = "testsecret";
export const REGION = "us-east-1";

/** A bucket. */
export class Bucket {
  readonly name: string;
  readonly #client: S3Client;

  private constructor(name: string, client: S3Client) {
    this.name = name;
    this.#client = client;
  }

  /** Makes the bucket where there is none. @param endpoint URL of the store */
  static async open(endpoint: string, name: string): Promise<Bucket> {
    const client = new S3Client({
      endpoint,
      region: REGION,
      forcePathStyle: true,
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    });
    try {
      await client.send(new CreateBucketCommand({ Bucket: name }));
    } catch (thrown) {
      if (!/BucketAlready/.test((thrown as Error).name)) throw thrown;
    }
    return new Bucket(name, client);
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.name, Key: key, Body: bytes }));
  }

  /** An object's bytes; null where there is none. */
  async get(key: string): Promise<Uint8Array | null> {
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.name, Key: key }));
      return await Body!.transformToByteArray();
    } catch (thrown) {
      if ((thrown as Error).name === "NoSuchKey") return null;
      throw thrown;
    }
  }

  /** Keys below a prefix, of a page. */
  async keys(prefix: string): Promise<string[]> {
    const { Contents = [] } = await this.#client.send(
      new ListObjectsV2Command({ Bucket: this.name, Prefix: prefix }),
    );
    return Contents.map(({ Key }) => Key!);
  }

  /** Begins an upload and leaves it open. */
  async beginUpload(key: string): Promise<void> {
    await this.#client.send(new CreateMultipartUploadCommand({ Bucket: this.name, Key: key }));
  }

  /** Keys with an upload that was neither completed nor aborted. */
  async openUploads(prefix: string): Promise<string[]> {
    return (await this.#uploads(prefix)).map(({ key }) => key);
  }

  /** Removes objects and uploads below a prefix. */
  async clear(prefix: string): Promise<void> {
    for (const key of await this.keys(prefix)) {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }));
    }
    for (const { key, id } of await this.#uploads(prefix)) {
      await this.#client.send(
        new AbortMultipartUploadCommand({ Bucket: this.name, Key: key, UploadId: id }),
      );
    }
  }

  close(): void {
    this.#client.destroy();
  }

  async #uploads(prefix: string): Promise<{ key: string; id: string }[]> {
    const { Uploads = [] } = await this.#client.send(
      new ListMultipartUploadsCommand({ Bucket: this.name, Prefix: prefix }),
    );
    return Uploads.map(({ Key, UploadId }) => ({ key: Key!, id: UploadId! }));
  }
}
