import assert from "assert";
import type { ErrorCode } from "../../../../src/errors.ts";
import { codeIs } from "../../../support/errors.ts";
import { azureAddress } from "../../../../src/storage/backends/azure/settings.ts";
import { azureError, parseErrorXml, parseList } from "../../../../src/storage/backends/azure/reply.ts";
import { encodeKey, stringToSign } from "../../../../src/storage/backends/azure/shared_key.ts";
import { parseUri } from "../../../../src/storage/uri.ts";
import { azureSettings } from "../../../support/azure.ts";

Deno.test("azure: the address of a container, from settings, environment and URI", () => {
  const env = { AZURE_STORAGE_ACCOUNT: "envaccount" };
  const azurite = { base_url: "http://127.0.0.1:10000/devstoreaccount1/" };
  const cases: [string, Record<string, string>, Record<string, string>, string, string][] = [
    [
      "abfs://box/k",
      { account: "myaccount" },
      env,
      "myaccount",
      "https://myaccount.blob.core.windows.net:443/box",
    ],
    ["abfss://box/k", {}, env, "envaccount", "https://envaccount.blob.core.windows.net:443/box"],
    [
      "abfs://box@other.dfs.core.windows.net/k",
      { account: "myaccount" },
      {},
      "other",
      "https://other.blob.core.windows.net:443/box",
    ],
    [
      "abfs://box@other.z12.blob.storage.azure.net/k",
      {},
      {},
      "other",
      "https://other.z12.blob.storage.azure.net:443/box",
    ],
    [
      "abfs://box@other.dfs.core.chinacloudapi.cn/",
      {},
      {},
      "other",
      "https://other.blob.core.chinacloudapi.cn:443/box",
    ],
    [
      "abfs://box/k",
      { account: "abc", domain_suffix: "core.usgovcloudapi.net" },
      {},
      "abc",
      "https://abc.blob.core.usgovcloudapi.net:443/box",
    ],
    [
      "abfs://box/k",
      { account: "abc", base_url: "core.usgovcloudapi.net" },
      {},
      "abc",
      "https://abc.blob.core.usgovcloudapi.net:443/box",
    ],
    [
      "abfs://box@abc.dfs.stack.local/k",
      { domain_suffix: "stack.local" },
      {},
      "abc",
      "https://abc.blob.stack.local:443/box",
    ],
    ["abfs://box/k", azurite, {}, "devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1/box"],
    [
      "abfs://box/k",
      { base_url: "https://abc.blob.core.windows.net" },
      {},
      "abc",
      "https://abc.blob.core.windows.net:443/box",
    ],
    [
      "abfs://box@devstoreaccount1.dfs.core.windows.net/k",
      azurite,
      {},
      "devstoreaccount1",
      "http://127.0.0.1:10000/devstoreaccount1/box",
    ],
    ["abfs://$web/k", { account: "abc" }, {}, "abc", "https://abc.blob.core.windows.net:443/$web"],
  ];
  for (const [uri, values, variables, account, url] of cases) {
    const address = azureAddress(parseUri(uri, "the URI"), azureSettings(values), variables);
    assert.deepEqual([address.account, address.origin.key + address.base], [account, url], uri);
  }
});

Deno.test("azure: an address that cannot be used says why, and no host out of a URI is trusted", () => {
  const cases: [string, Record<string, string>, ErrorCode, RegExp][] = [
    [
      "abfs://box/k",
      {},
      "config",
      /names no account, expected account in storage.stow.config, AZURE_STORAGE_ACCOUNT/,
    ],
    ["abfs://box/k", { account: "no_such" }, "config", /the account "no_such" cannot exist/],
    ["abfs://Box/k", { account: "abc" }, "input", /"abfs:\/\/Box\/": its container is no container's name/],
    ["abfs://bo/k", { account: "abc" }, "input", /expected 3 to 63/],
    ["abfs://a--b/k", { account: "abc" }, "input", /single hyphens/],
    [`abfs://${"a".repeat(64)}/k`, { account: "abc" }, "input", /3 to 63/],
    [
      "abfs://box@abc.dfs.evil.com/k",
      { account: "abc" },
      "denied",
      /host "abc.dfs.evil.com" is not an Azure/,
    ],
    ["abfs://box@abc.dfs.core.windows.net.evil.com/k", { account: "abc" }, "denied", /is not an Azure/],
    ["abfs://box@169.254.169.254/k", { account: "abc" }, "denied", /is not an Azure/],
    ["abfs://box@x.y@abc.dfs.core.windows.net/k", { account: "abc" }, "denied", /is not an Azure/],
    [
      "abfs://box@other.dfs.core.windows.net/k",
      { base_url: "http://h/abc" },
      "config",
      /endpoint of the account "abc", and the URI names "other"/,
    ],
    ["abfs://box/k", { account: "abc", base_url: "http://" }, "config", /base_url.*not a URL/],
  ];
  for (const [uri, values, code, pattern] of cases) {
    const resolve = () => azureAddress(parseUri(uri, "the URI"), azureSettings(values), {});
    assert.throws(resolve, codeIs(code, pattern), uri);
  }
});

Deno.test("azure: a blob's name is percent-encoded once", () => {
  const cases: [string, string][] = [
    ["a/b.c", "a/b.c"],
    ["a b", "a%20b"],
    ["a%20b", "a%2520b"],
    ["a?b=c&d#e", "a%3Fb%3Dc%26d%23e"],
    ["a+b:c@d", "a%2Bb%3Ac%40d"],
    ["it's!(*)", "it%27s%21%28%2A%29"],
    ["ü/日/😀", "%C3%BC/%E6%97%A5/%F0%9F%98%80"],
    ["a//b/", "a//b/"],
    [".hidden/..x/...", ".hidden/..x/..."],
    ["a\u0001\n", "a%01%0A"],
  ];
  for (const [key, path] of cases) assert.equal(encodeKey(key, "abfs://c/k"), path);
});

Deno.test("azure: names that a server would change are refused", () => {
  for (const key of ["..", ".", "a/../b", "a/./b", "../other/k", "a/..", "a\\b"]) {
    assert.throws(
      () => encodeKey(key, `abfs://c/${key}`),
      codeIs("unsupported", /keeps no backslash and no component/),
      key,
    );
  }
  assert.throws(() => encodeKey("", "abfs://c/"), codeIs("input", /it has no key/));
  assert.throws(() => encodeKey("a\ud800", "abfs://c/x"), codeIs("input", /half a surrogate/));
});

Deno.test("azure: what a Shared Key signature covers", () => {
  const put = stringToSign("acc", {
    method: "PUT",
    path: "/box/a%20b",
    query: [["comp", "block"], ["blockid", "aQ=="]],
    headers: [["x-ms-version", "v"], ["x-ms-date", "d"], ["content-md5", "m"], [
      "x-ms-blob-type",
      "BlockBlob",
    ]],
    length: 5,
  });
  assert.equal(
    put,
    "PUT\n\n\n5\nm\n\n\n\n\n\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:d\nx-ms-version:v\n/acc/box/a%20b\nblockid:aQ==\ncomp:block",
  );
  const get = stringToSign("acc", {
    method: "GET",
    path: "/acc/box/k",
    query: [],
    headers: [["if-match", '"e"']],
    length: 0,
  });
  assert.equal(get, 'GET\n\n\n\n\n\n\n\n"e"\n\n\n\n/acc/acc/box/k');
});

Deno.test("azure: a listing's names, sizes, ETags, directories and marker", () => {
  const entry = (name: string, rest: string, metadata = "") =>
    `<Blob>${name}<Properties>${rest}</Properties>${metadata}<OrMetadata /></Blob>`;
  const length = (n: number) => `<Etag>0x8D</Etag><Content-Length>${n}</Content-Length>`;
  const xml = (entries: string[], next: string) =>
    `\ufeff<?xml version="1.0"?><EnumerationResults ContainerName="c"><Prefix>&lt;Blob&gt;</Prefix><Blobs>${
      entries.join("")
    }</Blobs>${next}</EnumerationResults>`;
  const page = parseList(
    xml([
      entry("<Name> a&amp;&lt;b&#x1F600;&#252; </Name>", length(1)),
      entry('<Name Encoded="true">c%EF%BF%BE%2541</Name>', length(2)),
      entry("<Name>c+%41</Name>", '<Etag>"0x9"</Etag><Content-Length>3</Content-Length>'),
      entry("<Name>dir</Name>", length(0), "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"),
      entry("<Name>e</Name>", length(6), "<Metadata><ResourceType>directory</ResourceType></Metadata>"),
      entry("<Name>file</Name>", length(5), "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"),
    ], "<NextMarker>a&amp;b</NextMarker>"),
    "abfs://c/",
  );
  assert.deepEqual(page, {
    objects: [
      { key: " a&<b😀ü ", size: 1, etag: '"0x8D"' },
      { key: "c\ufffe%41", size: 2, etag: '"0x8D"' },
      { key: "c+%41", size: 3, etag: '"0x9"' },
      { key: "dir/", size: 0, etag: '"0x8D"' },
      { key: "e", size: 6, etag: '"0x8D"' },
      { key: "file", size: 5, etag: '"0x8D"' },
    ],
    next: "a&b",
    isSorted: false,
  });
  const hierarchical = parseList(
    xml([
      entry("<Name>d</Name>", `${length(0)}<ResourceType>directory</ResourceType>`),
      entry("<Name>d/x</Name>", `${length(4)}<ResourceType>file</ResourceType>`),
    ], "<NextMarker />"),
    "abfs://c/",
  );
  assert.deepEqual([hierarchical.objects.map(({ key }) => key), hierarchical.isSorted, hierarchical.next], [
    ["d/", "d/x"],
    false,
    undefined,
  ]);
  assert.deepEqual(parseList(xml([], "<NextMarker/>"), "abfs://c/"), { objects: [], isSorted: true });
});

Deno.test("azure: a listing cut short or damaged is an error, never a shorter listing", () => {
  const damaged = [
    "",
    "<html>",
    "<EnumerationResults><Blobs><Blob><Name>a</Name><Content-Length>1</Content-Length></Blob>",
    "<EnumerationResults><Blobs><Blob><Name>a</Name></EnumerationResults>",
    "<EnumerationResults><Blobs><Blob><Name>a</Name><Properties></Properties></Blob></Blobs></EnumerationResults>",
  ];
  for (const xml of damaged) {
    assert.throws(() => parseList(xml, "abfs://c/"), codeIs("network", /listing is malformed/), xml);
  }
  const named =
    `<Name Encoded="true">caf%E9</Name><Properties><Content-Length>1</Content-Length></Properties>`;
  const xml = `<EnumerationResults><Blobs><Blob>${named}</Blob></Blobs></EnumerationResults>`;
  assert.throws(() => parseList(xml, "abfs://c/"), codeIs("unsupported", 'the name "caf%E9" is not UTF-8'));
});

Deno.test("azure: codes of replies are codes of errors", () => {
  const cases: [number, string, string][] = [
    [404, "BlobNotFound", "not-found"],
    [404, "ContainerNotFound", "not-found"],
    [404, "", "not-found"],
    [403, "AuthenticationFailed", "denied"],
    [403, "AuthorizationPermissionMismatch", "denied"],
    [401, "InvalidAuthenticationInfo", "denied"],
    [409, "PublicAccessNotPermitted", "denied"],
    [412, "LeaseIdMissing", "denied"],
    [503, "ServerBusy", "throttled"],
    [429, "TooManyRequests", "throttled"],
    [500, "OperationTimedOut", "unavailable"],
    [500, "InternalError", "unavailable"],
    [409, "ContainerBeingDeleted", "unavailable"],
    [412, "ConditionNotMet", "changed"],
    [400, "Md5Mismatch", "integrity"],
    [400, "Crc64Mismatch", "integrity"],
    [409, "BlobArchived", "unsupported"],
    [400, "InvalidHeaderValue", "config"],
  ];
  for (const [status, code, expected] of cases) {
    const error = azureError({ status, code, message: "" }, { action: "read" }, "the key");
    assert.equal(error.code, expected, code);
  }
  const error = azureError(
    { status: 403, code: "AuthorizationPermissionMismatch", message: "Not\nallowed.\x1b[2J" },
    { action: "read", object: "abfs://c/k" },
    "AZURE_STORAGE_SAS_TOKEN",
  );
  assert.equal(
    error.message,
    'Cannot read "abfs://c/k": status 403 AuthorizationPermissionMismatch (Not allowed. [2J); the credentials are from ' +
      "AZURE_STORAGE_SAS_TOKEN; check the identity's roles: Storage Blob Data Contributor writes, Storage Blob Data Reader reads",
  );
  assert.deepEqual(parseErrorXml("<html>no"), { code: "", message: "" });
});
