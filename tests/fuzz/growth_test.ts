/**
 * Texts of a stranger's cost in proportion to their length: what takes the square of it would take hours for these. The bound is on
 * the processor's time of a process of its own, many times what a linear function takes, so that a busy machine fails nothing.
 */
import assert from "assert";
import { TARGETS } from "../support/growth.ts";

const LENGTH = 64 * 1024;
/** Linear: up to four seconds for all texts of a target. Quadratic: 2^32 steps for each of some hundred texts, which is minutes. */
const BOUND_S = 60;
const PROGRAM = new URL("../support/growth.ts", import.meta.url).pathname;

for (const name of Object.keys(TARGETS)) {
  Deno.test(`growth: ${name}`, async () => {
    const command = `ulimit -t ${BOUND_S}; exec "$0" run -A --quiet --no-check "$1" "$2" ${LENGTH}`;
    const { stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", command, Deno.execPath(), PROGRAM, name],
    }).output();
    const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1);
    assert.equal(last, "done", `ended within this text; ${new TextDecoder().decode(stderr).slice(0, 500)}`);
  });
}
