/** Findings as programs and people read them. */
import assert from "assert";
import { type Diagnosis, diagnosisJson, diagnosisTable, isHealthy } from "../../src/doctor/check.ts";

const DIAGNOSIS: Diagnosis = {
  version: "copilot 1",
  settings: [{ name: "storage.type", value: "stow", from: "c.yaml:2" }],
  checks: [
    { name: "memory", state: "ok", what: "128 MiB to use" },
    {
      name: "server --to-output-prefix",
      state: "failed",
      what: "Connection refused",
      mend: "check endpoint, DNS and proxy",
    },
    { name: "watcher file", state: "no", what: "holds no\x1b[2Jmarker" },
  ],
};

Deno.test("doctor: healthy where nothing has failed", () => {
  assert.equal(isHealthy(DIAGNOSIS), false);
  assert.equal(
    isHealthy({ ...DIAGNOSIS, checks: DIAGNOSIS.checks.filter(({ state }) => state !== "failed") }),
    true,
  );
  assert.equal(JSON.parse(diagnosisJson(DIAGNOSIS)).ok, false);
});

Deno.test("doctor: a table of two columns, the mend below what has failed", () => {
  assert.equal(
    diagnosisTable(DIAGNOSIS, 80),
    `copilot 1

storage.type  stow (c.yaml:2)

ok      memory                     128 MiB to use
failed  server --to-output-prefix  Connection refused
                                   mend: check endpoint, DNS and proxy
no      watcher file               holds no\\u001b[2Jmarker

1 of 3 checks failed
`,
  );
});

Deno.test("doctor: one column on a narrow terminal, no line wider than it", () => {
  const text = diagnosisTable(DIAGNOSIS, 40);
  assert(
    text.includes(
      "failed  server --to-output-prefix\n    Connection refused\n    mend: check endpoint, DNS and proxy\n",
    ),
    text,
  );
  for (const line of text.split("\n")) assert(line.length <= 40, line);
});
