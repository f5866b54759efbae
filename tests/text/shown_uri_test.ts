import assert from "assert";
import { shownUri } from "../../src/text/shown_uri.ts";

for (
  const [text, shown] of [
    ["s3://b/k", "s3://b/k"],
    ["http://h:80/a/b", "http://h:80/a/b"],
    ["http://[::1]:80/x", "http://[::1]:80/x"],
    ["abfs://c@account.dfs.core.windows.net/k", "abfs://c@account.dfs.core.windows.net/k"],
    ["s3://b/user@example.com/x", "s3://b/user@example.com/x"],
    ["https://h/@scope/x:y", "https://h/@scope/x:y"],
    // Paths and names are no URIs.
    ["/a/b@c?d#e", "/a/b@c?d#e"],
    ["a/b?c", "a/b?c"],
    ["a@b", "a@b"],
    // User and password.
    ["http://user:pw@h/x", "http://h/x"],
    ["HTTP://TOKEN@h/x", "HTTP://h/x"],
    ["http://u:p@ss@h/x", "http://h/x"],
    ["redis://:pw@h:1/k", "redis://h:1/k"],
    ["s3://key:pw@b/k", "s3://b/k"],
    ["abfs://c:pw@account/k", "abfs://account/k"],
    // Query and fragment.
    ["https://h/x?sig=1#f", "https://h/x?***"],
    ["https://h?sig=1", "https://h?***"],
    ["https://h#sig", "https://h#***"],
    ["s3://b/k?X-Amz-Signature=1", "s3://b/k?***"],
    ["gs://b/k#access_token=1", "gs://b/k#***"],
    ["file:///a/b?sig=1", "file:///a/b?***"],
    // What no parser takes.
    ["http://user:pw@h:99999/x?sig", "http://h:99999/x?***"],
    ["http://user:p/w@h/x", "http://h/x"],
    ["http://user:p?w@h/x", "http://h/x"],
    ["http://user:p#w@h/x?y", "http://h/x"],
    ["http://user:pw\\@h/x", "http://h/x"],
    ["http:/user:pw@h/x", "***@h/x"],
    ["http:\\\\user:pw@h/", "***@h/"],
    ["user:pw@h:80/x?sig", "***@h:80/x"],
    ["redis://user:pw", "redis://user:***"],
    ["//user:pw@h/x", "//***@h/x"],
    ["file:////user:pw@h/x", "file:////***@h/x"],
    ["file://http:/user:pw@h/x", "file://http:/***@h/x"],
    ["/a/http:/user:pw@h/x", "/a/http:/***@h/x"],
  ] as const
) {
  Deno.test(`shown: ${text} is ${shown}`, () => {
    assert.equal(shownUri(text), shown);
    assert.equal(shownUri(shown), shown, "shown twice it is the same");
  });
}

Deno.test("shown: a long URI is cut, and its query with it", () => {
  const shown = shownUri(`https://h/${"x".repeat(5_000_000)}?sig=secret`);
  assert.equal(shown.length, 1024 + "…?***".length);
  assert.equal(shownUri(`s3://b/${"?".repeat(5_000_000)}`), "s3://b/?***");
});
