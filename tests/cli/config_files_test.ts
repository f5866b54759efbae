import assert from "assert";
import { cannot, CopilotError } from "../../src/errors.ts";
import { readConfigFiles } from "../../src/cli/config_files.ts";
import type { FileInfo, Files } from "../../src/system/mod.ts";

/** A file system of texts by absolute path; a directory is whatever stands before a slash. */
function filesOf(tree: Record<string, string | Uint8Array>): Pick<Files, "stat" | "readDir" | "readFile"> {
  const paths = Object.keys(tree);
  const info = (kind: FileInfo["kind"]) => ({ kind, size: 0, mtimeMs: null, dev: 1, ino: 1, mode: 0o644 });
  return {
    stat(path) {
      if (Object.hasOwn(tree, path)) return info("file");
      const directory = path.endsWith("/") ? path : `${path}/`;
      return paths.some((known) => known.startsWith(directory)) ? info("directory") : null;
    },
    *readDir(path) {
      const directory = path.endsWith("/") ? path : `${path}/`;
      const names = paths.filter((known) => known.startsWith(directory)).map((known) =>
        known.slice(directory.length)
      );
      for (const name of new Set(names.map((rest) => rest.split("/")[0]!))) {
        yield { name, kind: names.includes(name) ? "file" as const : "directory" as const };
      }
    },
    readFile(path, maxBytes) {
      const content = tree[path]!;
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      if (bytes.length > maxBytes) {
        throw cannot("read", path, { input: `it is larger than ${maxBytes} bytes` });
      }
      return bytes;
    },
  };
}

const TREE = {
  "/etc/c/b.yaml": "b",
  "/etc/c/a.yaml": "a",
  "/etc/c/..data/a.yaml": "hidden",
  "/etc/c/c.yml": "c",
  "/etc/c/dir.yaml/x": "x",
  "/etc/d/[x].yaml": "brackets",
  "/etc/d/x.yaml": "x",
  "/etc/d/é.yaml": "accent",
  "/etc/e/a.yaml": "e",
};
const files = filesOf(TREE) as Files;

Deno.test("--config: what each pattern reads, in which order", () => {
  const cases: [string[], string[]][] = [
    [["/etc/c/*.yaml"], ["/etc/c/a.yaml", "/etc/c/b.yaml"]],
    [["/etc/c/*"], ["/etc/c/a.yaml", "/etc/c/b.yaml", "/etc/c/c.yml"]],
    [["/etc/c/?.y*ml"], ["/etc/c/a.yaml", "/etc/c/b.yaml", "/etc/c/c.yml"]],
    [["/etc/c/[b-z].yaml"], ["/etc/c/b.yaml"]],
    [["/etc/c/[^b].yaml"], ["/etc/c/a.yaml"]],
    [["/etc/?/a.yaml"], ["/etc/c/a.yaml", "/etc/e/a.yaml"]],
    [["/etc/c/b.yaml,/etc/c/a.yaml"], ["/etc/c/b.yaml", "/etc/c/a.yaml"]],
    [["/etc/e/*", "/etc/c/*.yaml"], ["/etc/e/a.yaml", "/etc/c/a.yaml", "/etc/c/b.yaml"]],
    [["/etc/d/[x].yaml"], ["/etc/d/[x].yaml"]],
    [["/etc/d/\\[x].yaml"], ["/etc/d/[x].yaml"]],
    [["/etc/d/?.yaml"], ["/etc/d/x.yaml", "/etc/d/é.yaml"]],
    [["/etc/c/.*/a.yaml"], ["/etc/c/..data/a.yaml"]],
    [[], []],
    [[""], []],
  ];
  for (const [patterns, names] of cases) {
    const result = readConfigFiles(patterns, files);
    assert.deepEqual(result.files.map(({ name }) => name), names, patterns.join(" "));
    assert.deepEqual(result.warnings, []);
  }
  assert.equal(readConfigFiles(["/etc/c/a.yaml"], files).files[0]!.text, "a");
});

Deno.test("--config: a glob without a match is a warning, since a Secret may be optional", () => {
  for (const glob of ["/etc/nowhere/*.yaml", "/etc/c/*.json"]) {
    assert.deepEqual(readConfigFiles([glob], files), {
      files: [],
      warnings: [`No file matches --config "${glob}"`],
    });
  }
});

Deno.test("--config: what cannot be read is an error that names it", () => {
  const broken = filesOf({
    "/a.yaml": Uint8Array.of(0xff),
    "/large.yaml": new Uint8Array(2 ** 20 + 1),
  }) as Files;
  const cases: [string, Files, RegExp][] = [
    ["/etc/c/none.yaml", files, /--config "\/etc\/c\/none.yaml": it does not exist/],
    ["/etc/c", files, /it is a directory, expected a YAML file or a glob such as "\/etc\/c\/\*.yaml"/],
    ["/etc/c/[z-a].yaml", files, /no range of characters/],
    ["/a.yaml", broken, /it is not UTF-8 text/],
    ["/large.yaml", broken, /larger than 1048576 bytes/],
  ];
  for (const [pattern, system, message] of cases) {
    assert.throws(
      () => readConfigFiles([pattern], system),
      (error: unknown) =>
        error instanceof CopilotError && error.code === "config" && message.test(error.message),
      pattern,
    );
  }
});
