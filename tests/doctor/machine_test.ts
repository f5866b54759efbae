/** What the doctor sees of the machine, and the mend of each thing that is wrong with it. */
import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import {
  checkCertificateFiles,
  checkDirectory,
  checkMemory,
  checkNamespace,
  type Machine,
} from "../../src/doctor/machine.ts";
import { sys } from "../../src/system/deno.ts";
import { sameLimits } from "../../src/system/memory_limits.ts";
import { MIB, temporaryDirectory } from "../support/flows.ts";

function machine(change: Partial<Machine> = {}): Machine & { readOnly: boolean } {
  return {
    files: sys.files,
    freeBytes: () => 1024 * MIB,
    limits: sameLimits(128 * MIB),
    isFirstProcess: false,
    probeName: () => ".probe",
    readOnly: false,
    ...change,
  };
}

Deno.test("doctor: a directory that is there is written to, and the probe is gone again", () => {
  using dir = temporaryDirectory();
  const [directory, space] = checkDirectory("--to-local-dir", dir.path, machine());
  assert.deepEqual([directory!.state, space!.state], ["ok", "ok"]);
  assert.equal(space!.what, `1024 MiB free in "${dir.path}"`);
  assert.deepEqual(dir.tree(), {});
});

Deno.test("doctor: a directory that is not there yet can be made where the nearest one can be written to", () => {
  using dir = temporaryDirectory();
  const check = (files = sys.files) =>
    checkDirectory("--to-local-dir", dir.at("a/b/c"), machine({ files }))[0]!;
  assert.equal(check().state, "ok");
  const createNew = (path: string) => {
    throw new CopilotError("denied", `Cannot create "${path}": Read-only file system`);
  };
  const refused = check({ ...sys.files, createNew });
  assert.equal(refused.state, "failed");
  assert.match(refused.what, /Read-only file system/);
  assert.match(refused.mend!, /mount a writable volume at .*fsGroup/);
  assert.deepEqual(dir.tree(), {});
});

Deno.test("doctor: a full disk, and one that does not tell", () => {
  using dir = temporaryDirectory();
  const space = (freeBytes: () => number) =>
    checkDirectory("--to-local-dir", dir.path, machine({ freeBytes }))[1]!;
  assert.deepEqual([space(() => MIB).state, space(() => MIB).mend], [
    "failed",
    "free some space, or give the volume a larger sizeLimit",
  ]);
  const silent = space(() => {
    throw new CopilotError("unsupported", "No such call");
  });
  assert.deepEqual([silent.state, silent.what], ["no", "cannot be told: No such call"]);
});

Deno.test("doctor: memory below what a run needs, and the namespace", () => {
  assert.equal(checkMemory(machine()).state, "ok");
  assert.match(checkMemory(machine({ limits: sameLimits(64 * MIB) })).mend!, /128Mi/);
  assert.match(checkNamespace(machine({ isFirstProcess: true })).what, /first of its own PID namespace/);
});

Deno.test("doctor: files of certificates", () => {
  using dir = temporaryDirectory();
  dir.write("ca.pem", "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN CERTIFICATE-----\ny\n");
  dir.write("empty.pem", "");
  const states = (path: string) =>
    checkCertificateFiles({ SSL_CERT_FILE: path }, sys.files).map(({ state }) => state);
  assert.deepEqual(states(dir.at("ca.pem")), ["ok"]);
  assert.deepEqual([states(dir.at("empty.pem")), states(dir.at("gone.pem"))], [["failed"], ["failed"]]);
  assert.deepEqual(states(""), []);
});
