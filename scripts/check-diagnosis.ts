// Diagnoses real failure signals as `pawl diagnose` does, and prints for each class how many were named right, wrong, or not
// at all. Run: npm run check:diagnosis [-- corpus.json negative.json]
import { readdir } from "node:fs/promises";
import { reportOn } from "../cli/diagnose.ts";
import { table } from "../cli/format.ts";
import { type Entry, readEntries, textOf } from "./diagnosis/entry.ts";

/** So many of each file must be named right. */
const needed = 0.95;

type Verdict = "right" | "wrong" | "unknown";

interface Judged {
  readonly entry: Entry;
  readonly given: string;
  readonly confidence: string;
  readonly verdict: Verdict;
}

/** A file of signals, and what became of each. */
interface Round {
  readonly name: string;
  readonly judged: readonly Judged[];
}

function judge(entry: Entry): Judged {
  const { class: given, confidence } = reportOn(textOf(entry));
  const verdict = given === entry.class ? "right" : given === "unknown" ? "unknown" : "wrong";
  return { entry, given, confidence, verdict };
}

const count = (judged: readonly Judged[], verdict: Verdict, name?: string): number =>
  judged.filter((each) => each.verdict === verdict && (name === undefined || each.entry.class === name))
    .length;

/** `12`, or `12 1 2` where one is wrong and two are unknown. */
function cell({ judged }: Round, name?: string): string {
  const [right, wrong, unknown] = (["right", "wrong", "unknown"] as const).map((verdict) =>
    count(judged, verdict, name),
  );
  if (wrong === 0 && unknown === 0) return String(right || ".");
  return `${right} ${wrong} ${unknown}`;
}

const folder = new URL("diagnosis/", import.meta.url);

/** The files of the folder that `form` names, in the order of their numbers. */
async function filesOf(form: RegExp): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => form.test(name));
  return names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

const read = async (name: string, path: string | URL): Promise<Round> => ({
  name: name.replace(/\.json$/, ""),
  judged: (await readEntries(path)).map(judge),
});

const all = async (names: readonly string[]): Promise<Round[]> =>
  await Promise.all(names.map((name) => read(name, new URL(name, folder))));

const [corpusFile, negativeFile] = process.argv.slice(2);
const rounds = [
  await read("corpus", corpusFile ?? new URL("corpus.json", folder)),
  ...(await all(await filesOf(/^held-out(-\d+)?\.json$/))),
];
const negative =
  negativeFile === undefined
    ? (await all(await filesOf(/^negative(-\d+)?\.json$/))).flatMap(({ judged }) => judged)
    : (await read("negative", negativeFile)).judged;

const classes = [...new Set(rounds.flatMap(({ judged }) => judged.map(({ entry }) => entry.class)))].sort();
console.log("of each: right, or right, wrong, unknown\n");
console.log(
  table([
    ["class", ...rounds.map(({ name }) => name)],
    ...classes.map((name) => [name, ...rounds.map((round) => cell(round, name))]),
    ["all", ...rounds.map((round) => cell(round))],
  ]),
);

for (const { name, judged } of rounds) {
  for (const { entry, given, confidence, verdict } of judged) {
    if (verdict !== "right")
      console.log(`${name}: ${entry.id} is ${entry.class}, called ${given} (${confidence})`);
  }
}

const failed = negative.filter(({ given }) => given !== "none" && given !== "unknown");
for (const { entry, given } of failed) console.log(`no failure, but called ${given}: ${entry.id}`);

const share = ({ judged }: Round): number =>
  judged.length === 0 ? 0 : count(judged, "right") / judged.length;
const shares = rounds.map(
  (round) => `${(share(round) * 100).toFixed(1)}% of ${round.judged.length} (${round.name})`,
);
console.log(`\nright: ${shares.join(", ")}`);
console.log(`${failed.length} of ${negative.length} that are no failure called one`);
const enough = rounds.every((round) => share(round) >= needed);
process.exitCode = enough && negative.length > 0 && failed.length === 0 ? 0 : 1;
