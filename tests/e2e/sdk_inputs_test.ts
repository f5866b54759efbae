import { judge, testWith } from "./harness.ts";

const INPUTS = [
  { sdk: "flytekit", folder: "tests/sdk-inputs", variables: 66 },
  { sdk: "flyte", folder: "tests/sdk-inputs/flyte2", variables: 22 },
];

for (const { sdk, folder, variables } of INPUTS) {
  testWith(`download of inputs made by ${sdk}`, ["binary", "python", "versitygw"], async (has, t) => {
    const places = ["--bin", has.binary, "--endpoint", has.versitygw, "--folder", folder, "--sdk", sdk];
    // Four aspects of each variable, and two of the documents as a whole.
    await judge(t, [has.python, "tests/e2e/sdk_inputs.py", ...places], { atLeast: variables * 4 + 2 });
  });
}

testWith(
  "outputs of every type are read back by flytekit",
  ["binary", "python", "versitygw"],
  async (has, t) => {
    const places = ["--bin", has.binary, "--endpoint", has.versitygw];
    await judge(t, [has.python, "tests/e2e/read_back.py", ...places], { atLeast: 30 });
  },
);
