/**
 * Who is ahead in every case, and why, with what copilot aims at beside it.
 * @module
 */
import { type CaseResult, caseTitle, figure, inOrder, median, ratio, table, TITLES } from "./report.ts";

/** A bound on one of copilot's ratios. */
interface Aim {
  variant: string;
  name: string;
  what: "wall" | "cpu";
  to: string;
  atMost: number;
}

/** What copilot aims at, beside a peak of 110 MiB everywhere. */
const AIMS: readonly Aim[] = [
  { variant: "plain", name: "many-down", what: "cpu", to: "s5cmd", atMost: 1 },
  { variant: "lat", name: "many-down", what: "wall", to: "s5cmd", atMost: 0.9 },
  { variant: "plain", name: "mid-down", what: "cpu", to: "s5cmd", atMost: 2 },
  { variant: "tls", name: "mid-down", what: "cpu", to: "s5cmd", atMost: 1.3 },
  { variant: "tls", name: "big-down", what: "cpu", to: "s5cmd", atMost: 1.15 },
  { variant: "plain", name: "tiny-down", what: "cpu", to: "floor", atMost: 1.4 },
  { variant: "plain", name: "prims-down", what: "cpu", to: "floor", atMost: 1.6 },
];

/** MiB that no run may pass. */
const PEAK = 110;

/** Why a case goes as it does: what the figures of NOTES.md say. */
const REASONS: Readonly<Record<string, string>> = {
  "many-down":
    "One request and one file each: what counts is what a request costs beside the kernel's part. copilot asks for nothing twice and " +
    "keeps its connections, and each file is written under another name, checked and renamed, which the others do not do. " +
    "With latency the number of requests under way decides: copilot has 112 (48 over TLS, for memory), s5cmd 256.",
  "many-up":
    "A file that fits a buffer goes up in one write with its head and its CRC32. s5cmd computes an MD5, and in plain text a SHA-256, of " +
    "everything; the rest is the server's.",
  "big-down":
    "Two streams keep one thread busy; the kernel's copies are most of the cost, then the CRC32 that only copilot compares. s5cmd has " +
    "both cores, and shares them with the server. With 60 MB/s per connection copilot takes sixteen, s5cmd five, rclone four. Over TLS " +
    "each record of 16 KiB is a read of its own in this runtime.",
  "big-up":
    "copilot sends parts straight from the file with their CRC32; s5cmd and rclone compute an MD5 of every part, and s5cmd in plain " +
    "text a SHA-256, which is three quarters of their CPU.",
  "mid-down":
    "Twenty streams, no ranges. copilot writes and checks on one thread what the others write, mostly unchecked, on two.",
  "tiny-down":
    "The start of the runtime and of the Worker that keeps untrusted bytes away from the machine is most of it. Go starts in 10 ms.",
  "tiny-up": "As one integer down: the start.",
  "prims-down": "The start, and 500 values decoded by code that V8 has not compiled to machine code.",
};

/** Contestants that made it, the best first. */
function ranking(result: CaseResult, what: "wall" | "cpu"): string {
  const all = Object.entries(result.costs).flatMap(([name, costs]) => {
    const good = costs.filter(({ failure }) => failure === "");
    if (name === "floor") return [];
    return good.length === 0 ? [] : [{ name, value: median(good.map((cost) => cost[what])) }];
  });
  return all.sort((a, b) => a.value - b.value)
    .map(({ name, value }) =>
      name === "copilot" ? `**copilot ${figure(value)}**` : `${name} ${figure(value)}`
    )
    .join(", ");
}

function peakText(result: CaseResult): string {
  const peak = Math.max(...(result.costs.copilot ?? []).map(({ rss }) => rss));
  return peak <= PEAK ? peak.toFixed(0) : `${peak.toFixed(0)}, **above ${PEAK}**`;
}

function aimText(result: CaseResult): string {
  const aims = AIMS.filter(({ variant, name }) => variant === result.variant && name === result.name);
  return aims.map(({ what, to, atMost }) => {
    const found = ratio(result, "copilot", to, what);
    const aim = `${what === "cpu" ? "CPU" : "wall"} at most ${atMost} of ${to}'s`;
    if (found === null) return `${aim}: not measured`;
    return `${aim}: ${found.toFixed(2)}${found <= atMost ? "" : ", **missed**"}`;
  }).join("; ");
}

/** The section of RESULTS.md. */
export function standing(results: readonly CaseResult[]): string[] {
  const compared = inOrder(results).filter(({ costs }) =>
    Object.keys(costs).filter((name) => name !== "floor").length > 1 || costs.floor !== undefined
  );
  if (compared.length === 0) return [];
  const rows = compared.map((result) => [
    ...[TITLES[result.variant]!, caseTitle(result), result.server],
    ...[ranking(result, "wall"), ranking(result, "cpu"), peakText(result), aimText(result)],
  ]);
  const names = [...new Set(compared.map(({ name }) => name))].filter((name) => name in REASONS);
  const titleOf = (name: string) => caseTitle(compared.find((result) => result.name === name)!);
  return [
    ...["", "## Who is ahead, and why", ""],
    "Medians, the best first. The last column is what copilot aims at, and what came of it.",
    "",
    ...table(["surroundings", "case", "server", "wall s", "CPU s", "copilot's peak MiB", "aim"], rows),
    "",
    ...names.map((name) => `- **${titleOf(name)}.** ${REASONS[name]}`),
  ];
}
