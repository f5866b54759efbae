import assert from "assert";
import { CopilotError } from "../../../src/errors.ts";
import { encodePath, encodeText } from "../../../src/storage/cloud/percent_encoding.ts";

Deno.test("sigv4: keys are percent-encoded exactly once, slashes kept, nothing normalised", () => {
  const cases: [string, string][] = [
    ["plain-._~/A9", "plain-._~/A9"],
    ["a b", "a%20b"],
    ["a%20b", "a%2520b"],
    ["a+b", "a%2Bb"],
    ["a#b?c&d=e", "a%23b%3Fc%26d%3De"],
    ["a:b@c,d;e$", "a%3Ab%40c%2Cd%3Be%24"],
    ["it's(a)*!", "it%27s%28a%29%2A%21"],
    ["../x/./y//z/", "../x/./y//z/"],
    ["/lead", "/lead"],
    ["é/日本/😀", "%C3%A9/%E6%97%A5%E6%9C%AC/%F0%9F%98%80"],
    ["a\nb\0", "a%0Ab%00"],
    ['"<>\\^`{|}[]', "%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"],
  ];
  for (const [key, encoded] of cases) {
    assert.equal(encodePath(key), encoded, key);
    assert.equal(decodeURIComponent(encoded), key);
  }
  assert.equal(encodeText("a/b c"), "a%2Fb%20c");
  assert.throws(() => encodePath("\ud800"), CopilotError);
});
