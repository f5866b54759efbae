/**
 * Results as a plot: wall time and peak memory of every case that others were measured in too.
 * @module
 */
import { type CaseResult, caseTitle, type Cost, figure, inOrder, median, TITLES } from "./report.ts";

const COLOURS: Readonly<Record<string, string>> = {
  "copilot": "#0b6e4f",
  "s5cmd": "#8d99ae",
  "rclone": "#c9ada7",
  "aws": "#e0c097",
  "go copilot": "#5c677d",
  "floor": "#d9d9d9",
};

const LABEL_X = 10;
const BAR_WIDTH = 220;
const BAR_STEP = 12;
/** MiB at the end of the memory panel; longer bars are cut, and their figure tells. */
const RSS_END = 200;
/** MiB that Flyte gives a copilot. */
const RSS_LIMIT = 128;
const WIDTH = 790;

interface Panel {
  title: string;
  x: number;
  value(cost: Cost): number;
}

const WALL: Panel = {
  title: "Wall time in s (bars: to the case's slowest)",
  x: 210,
  value: ({ wall }) => wall,
};
const RSS: Panel = {
  title: `Peak memory in MiB (line: Flyte's ${RSS_LIMIT})`,
  x: 510,
  value: ({ rss }) => rss,
};

function text(x: number, y: number, content: string, style = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y}"${style === "" ? "" : ` class="${style}"`}>${content}</text>`;
}

/** One contestant's bar in one panel; a run that did not make it has its reason in place of a bar. */
function bar(
  panel: Panel,
  costs: readonly Cost[],
  { name, y, end }: { name: string; y: number; end: number },
): string {
  const good = costs.filter(({ failure }) => failure === "");
  if (good.length === 0) return text(panel.x, y + 8, `✕ ${costs[0]!.failure}`, "failed");
  const value = median(good.map(panel.value));
  const width = BAR_WIDTH * Math.min(1, value / end);
  const fill = COLOURS[name] ?? "#999";
  return `<rect x="${panel.x}" y="${y}" width="${width.toFixed(1)}" height="9" fill="${fill}"/>` +
    text(panel.x + width + 4, y + 8, figure(value), "value");
}

/** The bars of a case, and how high they are. */
function caseBars(result: CaseResult, y: number): { parts: string[]; height: number } {
  const contestants = Object.entries(result.costs).filter(([, costs]) => costs.length > 0);
  const walls = contestants.flatMap(([, costs]) => {
    const good = costs.filter(({ failure }) => failure === "");
    return good.length === 0 ? [] : [median(good.map(({ wall }) => wall))];
  });
  const parts = [text(LABEL_X, y + 6 * contestants.length + 2, caseTitle(result))];
  for (const [i, [name, costs]] of contestants.entries()) {
    const place = { name, y: y + i * BAR_STEP };
    parts.push(
      bar(WALL, costs, { ...place, end: Math.max(...walls) }),
      bar(RSS, costs, { ...place, end: RSS_END }),
    );
  }
  return { parts, height: contestants.length * BAR_STEP + 12 };
}

/** The legend and the titles of the panels. */
function heading(names: readonly string[]): string[] {
  const legend = names.map((name, i) =>
    `<rect x="${LABEL_X + i * 110}" y="12" width="10" height="10" fill="${COLOURS[name] ?? "#999"}"/>` +
    text(LABEL_X + 14 + i * 110, 21, name)
  );
  return [...legend, ...[WALL, RSS].map(({ x, title }) => text(x, 48, title))];
}

/** The plot, in the order of the table. */
export function svg(results: readonly CaseResult[]): string {
  const rows = inOrder(results).filter(({ costs }) => Object.keys(costs).length > 1);
  const parts: string[] = [];
  let y = 58;
  let variant = "";
  for (const row of rows) {
    if (row.variant !== variant) {
      variant = row.variant;
      parts.push(text(LABEL_X, y + 16, TITLES[variant] ?? variant, "variant"));
      y += 28;
    }
    const { parts: bars, height } = caseBars(row, y);
    parts.push(...bars);
    y += height;
  }
  const limit = (RSS.x + BAR_WIDTH * RSS_LIMIT / RSS_END).toFixed(1);
  const style =
    "text{fill:#333}.value{font-size:9px;fill:#666}.variant{font-weight:bold}.failed{font-size:9px;fill:#c1121f}";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="11">`,
    "<title>Time and memory of copilot, the Go original and s5cmd: shorter is better</title>",
    `<style>${style}</style><rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    ...heading([...new Set(rows.flatMap(({ costs }) => Object.keys(costs)))]),
    `<line x1="${limit}" y1="56" x2="${limit}" y2="${y - 8}" stroke="#c1121f" stroke-dasharray="3 3"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}
