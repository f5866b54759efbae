import assert from "assert";
import { plainWords } from "../../../src/storage/cloud/server_words.ts";

Deno.test("server words: a line of text or a page's title says what no document does", () => {
  const cases: [body: string, words: string][] = [
    ["Client sent an HTTP request to an HTTPS server.\n", "Client sent an HTTP request to an HTTPS server."],
    [
      "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
      "400 The plain HTTP request was sent to HTTPS port",
    ],
    ["<HTML><HEAD><TITLE>Denied</TITLE>", "Denied"],
    ["<html>no title", ""],
    ["<Error><Code>X</Code></Error>", ""],
    ["", ""],
  ];
  for (const [body, words] of cases) assert.equal(plainWords(body), words);
});
