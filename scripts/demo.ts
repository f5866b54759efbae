// deno-lint-ignore-file no-console -- a command-line tool: the terminal is its output
/**
 * `deno task demo`: a task's whole life on the local file store, with no cloud account.
 *
 * Builds a real LiteralMap, downloads it with copilot, runs a shell script that knows nothing of Flyte over the files, uploads
 * what it leaves with copilot's sidecar, and shows each step.
 */
import { encode, encodeLiteralMap } from "../src/flyte/codec/idl.ts";
import {
  Dimensionality,
  type LiteralMap,
  type LiteralType,
  SimpleType,
  type StructValue,
  type TypedInterface,
} from "../src/flyte/types.ts";
import { blob, blobType, literal, simpleType } from "./literals.ts";

const PROJECT = new URL("..", import.meta.url).pathname;
const home = Deno.makeTempDirSync({ prefix: "copilot-demo-" });
const store = `${home}/store`;
const inputs = `${home}/inputs`;
const outputs = `${home}/outputs`;

const text = (stringValue: string): StructValue => ({ kind: { case: "stringValue", value: stringValue } });

function put(path: string, content: string | Uint8Array): string {
  const full = `${store}/${path}`;
  Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
  if (typeof content === "string") Deno.writeTextFileSync(full, content);
  else Deno.writeFileSync(full, content);
  return `file://${full}`;
}

function makeInputs(): string {
  const table = put("raw/a1/cities.csv", "city,degrees\nOslo,3.5\nCairo,28.25\nLima,19.125\nDakar,25\n");
  put("raw/b2/notes/one.md", "first\nsecond\n");
  put("raw/b2/notes/deep/two.md", "only\n");
  const map: LiteralMap = {
    literals: new Map([
      ["name", literal({ case: "primitive", value: { value: { case: "stringValue", value: "Ada" } } })],
      ["threshold", literal({ case: "primitive", value: { value: { case: "floatValue", value: 19.5 } } })],
      [
        "big",
        literal({ case: "primitive", value: { value: { case: "integer", value: 9007199254740993n } } }),
      ],
      [
        "since",
        literal({
          case: "primitive",
          value: { value: { case: "datetime", value: { seconds: 1709209845n, nanos: 5e8 } } },
        }),
      ],
      ["table", blob(table, Dimensionality.SINGLE, "csv")],
      ["notes", blob(`file://${store}/raw/b2/notes`, Dimensionality.MULTIPART, "")],
      ["weights", {
        value: {
          case: "collection",
          value: {
            literals: [0.25, 0.5].map((value) =>
              literal({ case: "primitive", value: { value: { case: "floatValue", value } } })
            ),
          },
        },
        hash: "",
        metadata: new Map(),
      }],
      ["options", literal({ case: "generic", value: { fields: new Map([["unit", text("°C")]]) } })],
    ]),
  };
  return put("metadata/inputs.pb", encodeLiteralMap(map));
}

function outputInterface(): string {
  const types: [string, LiteralType][] = [
    ["mean", simpleType(SimpleType.FLOAT)],
    ["report", blobType(Dimensionality.SINGLE)],
    ["above", blobType(Dimensionality.MULTIPART)],
    ["lengths", { type: { case: "collectionType", value: simpleType(SimpleType.INTEGER) } }],
  ];
  const typed: TypedInterface = {
    outputs: { variables: types.map(([key, type]) => ({ key, value: { type, description: "" } })) },
  };
  return btoa(String.fromCharCode(...encode("TypedInterface", typed)));
}

function title(words: string): void {
  console.log(`\n\x1b[1m${words}\x1b[0m`);
}

function step(command: string, args: string[], show = args): void {
  console.log(
    `\x1b[2m$ ${
      [command === Deno.execPath() ? "copilot" : command, ...show].join(" ").replaceAll(home, "…").replaceAll(
        PROJECT,
        "",
      )
    }\x1b[0m`,
  );
  const { code } = new Deno.Command(command, { args, stdout: "inherit", stderr: "inherit" }).outputSync();
  if (code !== 0) {
    console.error(`demo: ${command} ended with status ${code}`);
    Deno.exit(1);
  }
}

function copilot(...args: string[]): void {
  step(
    Deno.execPath(),
    ["run", "-A", "--quiet", "--unstable-worker-options", `${PROJECT}main.ts`, ...args],
    args,
  );
}

/** Prints a directory as a tree, with the first line of each small file. */
function tree(path: string, indent = "  "): void {
  const entries = [...Deno.readDirSync(path)].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, isDirectory } of entries) {
    const full = `${path}/${name}`;
    if (isDirectory) {
      console.log(`${indent}${name}/`);
      tree(full, `${indent}  `);
      continue;
    }
    const bytes = Deno.readFileSync(full);
    const first = name.endsWith(".pb") ? "" : new TextDecoder().decode(bytes).split("\n")[0]!.slice(0, 60);
    console.log(
      `${indent}${name.padEnd(28 - indent.length)} ${String(bytes.length).padStart(5)} B  ${first}`,
    );
  }
}

title("1. What Flyte hands over: a LiteralMap in a store");
const from = makeInputs();
copilot("inspect", from);

title("2. copilot download: every variable becomes a file or a directory");
copilot(
  "download",
  "--logger.formatter.type=text",
  "--from-remote",
  from,
  "--to-output-prefix",
  `file://${store}/out`,
  "--to-local-dir",
  inputs,
);
tree(inputs);

title("3. The task: a shell script that knows nothing of Flyte");
step("sh", [`${PROJECT}examples/demo/task.sh`, inputs, outputs]);

title("4. copilot sidecar: what the task left becomes objects and literals, outputs.pb last");
const typed = outputInterface();
copilot(
  ...[
    "sidecar",
    "--logger.formatter.type=text",
    "--start-watcher-type",
    "noop",
    "--exit-watcher-type",
    "noop",
  ],
  ...[
    "--from-local-dir",
    outputs,
    "--to-raw-output",
    `file://${store}/raw/out`,
    "--to-output-prefix",
    `file://${store}/out`,
  ],
  ...["--interface", typed],
);
tree(store);

title("5. What Flyte reads back");
copilot("inspect", `file://${store}/out/outputs.pb`);
Deno.removeSync(home, { recursive: true });
console.log("\nThe demo has run: inputs came down as files, outputs went up as objects.");
