import assert from "assert";
import { decodeEntities, escapeXml, readXml } from "../../../src/storage/cloud/xml.ts";

function elements(xml: string): { root: string; seen: string[] } {
  const seen: string[] = [];
  const root = readXml(xml, (name, parent, text) => seen.push(`${parent}/${name}=${text}`));
  return { root, seen };
}

Deno.test("xml: elements are told when they end, with their parent and their text", () => {
  const cases: [string, string[]][] = [
    ["<a/>", ["/a="]],
    ["<a>t</a>", ["/a=t"]],
    ['<?xml version="1.0"?>\n<a x="1"><b >1</b ><c/></a>\n', ["a/b=1", "a/c=", "/a="]],
    ["<a><b><c>&lt;&amp;&#233;&#xe9;&amp;lt;</c></b></a>", ["b/c=<&éé&lt;", "a/b=", "/a="]],
    ["<a><!-- <b> --><b><![CDATA[<&amp;]]></b></a>", ["a/b=<&amp;", "/a="]],
    ["<a>&unknown;&#x110000;</a>", ["/a=&unknown;&#x110000;"]],
  ];
  for (const [xml, expected] of cases) assert.deepEqual(elements(xml).seen, expected, xml);
  assert.equal(elements("<ListBucketResult/>").root, "ListBucketResult");
});

Deno.test("xml: anything but one whole element is an error", () => {
  const cases = [
    "",
    "text",
    "<a>",
    "<a",
    "<a></b>",
    "</a>",
    "<a/><b/>",
    "< a/>",
    "<a><!-- </a>",
    "<a><![CDATA[</a>",
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    "<a>".repeat(17) + "</a>".repeat(17),
  ];
  for (const xml of cases) assert.throws(() => elements(xml), /^Error: the XML/, xml);
});

Deno.test("xml: text survives encoding and decoding", () => {
  for (const text of ["", "a&b<c>\"d'", "&amp;", "é\u{1f600}"]) {
    assert.equal(decodeEntities(escapeXml(text)), text);
  }
});
