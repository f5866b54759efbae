import { judge, type Need, testWith } from "./harness.ts";

const CASES = [...Deno.readDirSync(new URL("../conformance/cases/", import.meta.url))].length;

for (const server of ["versitygw", "minio"] as const satisfies Need[]) {
  testWith(`recorded cases on ${server}`, ["binary", "python", server], async (has, t) => {
    const cases = ["--cases", "tests/conformance/cases", "--jobs", "2", "--list-passed"];
    const places = ["--bin", has.binary, "--endpoint", has[server]];
    await judge(t, [has.python, "tests/conformance/run.py", ...places, ...cases], { atLeast: CASES });
  });
}
