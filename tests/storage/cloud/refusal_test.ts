import assert from "assert";
import { isOutOfSpace } from "../../../src/storage/cloud/refusal.ts";

Deno.test("refusal: what a full store says, and what only sounds like it", () => {
  const cases: [number, string, string, boolean][] = [
    [507, "", "", true],
    [507, "XMinioStorageFull", "", true],
    [403, "QuotaExceeded", "", true],
    [400, "XMinioAdminBucketQuotaExceeded", "", true],
    [503, "StorageQuotaExceeded", "", true],
    [500, "InternalError", "Storage quota exceeded", true],
    [503, "SlowDown", "Request quota exceeded", false],
    [429, "quotaExceeded", "Quota exceeded for requests per minute", false],
    [403, "AccessDenied", "quota", false],
    [500, "InternalError", "", false],
  ];
  for (const [status, code, message, expected] of cases) {
    assert.equal(isOutOfSpace({ status, code, message }), expected, `${status} ${code} ${message}`);
  }
});
