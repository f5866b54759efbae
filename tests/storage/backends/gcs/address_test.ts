import assert from "assert";
import { GcsAddress } from "../../../../src/storage/backends/gcs/address.ts";

Deno.test("gcs address: with requester pays every request names the project", () => {
  const values = { request_payer: "requester", project_id: "my project" };
  const address = new GcsAddress("bucket", { kind: "google", values, secrets: {} }, {});
  const paths = [address.objects({}), address.object("k", { alt: "media" }), address.uploads("k", { a: 1 })];
  assert.deepEqual(paths, [
    "/storage/v1/b/bucket/o?userProject=my%20project",
    "/storage/v1/b/bucket/o/k?alt=media&userProject=my%20project",
    "/upload/storage/v1/b/bucket/o?name=k&a=1&userProject=my%20project",
  ]);
});
