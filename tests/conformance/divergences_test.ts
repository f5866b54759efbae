import assert from "assert";

const ROOT = new URL("./", import.meta.url);

interface Difference {
  kind: string;
  subject: string;
  why: string;
}

function differences(): Difference[] {
  const lines = Deno.readTextFileSync(new URL("divergences.txt", ROOT)).split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const parts = /^(case|also) ([^:]+): (.+)$/.exec(line);
    assert(parts, `divergences.txt: "${line}" is not "case NAME: why" or "also SUBJECT: why"`);
    return { kind: parts[1]!, subject: parts[2]!, why: parts[3]! };
  });
}

/** Name of each case to where its expectation comes from. */
function cases(): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of Deno.readDirSync(new URL("cases/", ROOT))) {
    const text = Deno.readTextFileSync(new URL(`cases/${entry.name}/case.json`, ROOT));
    const { name, expected_from } = JSON.parse(text) as { name: string; expected_from: string };
    assert.equal(name, entry.name, "a case is named like its folder");
    found.set(name, expected_from);
  }
  return found;
}

const named = (kind: string) => differences().filter((line) => line.kind === kind);

Deno.test("every case that does not follow the original is argued once in divergences.txt", () => {
  const contract = [...cases()].filter(([, from]) => from === "contract").map(([name]) => name);
  assert.deepEqual(named("case").map((line) => line.subject).toSorted(), contract.toSorted());
});

Deno.test("every further difference in divergences.txt names the test file that shows it", () => {
  for (const { subject, why } of named("also")) {
    const file = /\[(tests\/[\w/]+\.ts)\]$/.exec(subject)?.[1];
    assert(file, `divergences.txt: "also ${subject}" names no test file in brackets`);
    Deno.statSync(new URL(`../../${file}`, ROOT));
    assert(why.length > 20);
  }
});
