// Runs everything that a person can get wrong through the real command line, each in a fresh process and folder, once in
// words and once with --json, and prints what came of it. Run: npm run check:bad-input [words of the cases to run]
import { spawnSync } from "node:child_process";
import { errorTable, exitCodes } from "../core/errors.ts";
import type { BadInput, Case, Mode, Observed, WrongTrainer } from "./bad-input/case.ts";
import { failedHeadline, headline, judge, judgeFailed } from "./bad-input/judge.ts";
import { play, type Stage, setStage } from "./bad-input/stage.ts";
import { badInputs } from "./bad-input/table.ts";
import { wrongTrainers } from "./bad-input/trainers.ts";

/** So many command lines run at a time. */
const atATime = 2;

type Wrong = BadInput | WrongTrainer;

interface Verdict {
  readonly input: Wrong;
  readonly headline: string;
  readonly exit: number | null;
  readonly faults: readonly string[];
}

/** What it must be called. */
const name = (input: Wrong): string => ("failed" in input ? input.failed : input.code);

const expectedExit = (input: Wrong): number =>
  "failed" in input ? exitCodes.runFailed : errorTable[input.code];

const judged = (input: Wrong, mode: Mode, seen: Observed): string[] =>
  "failed" in input ? judgeFailed(input, mode, seen) : judge(input, mode, seen);

const firstLine = (input: Wrong, seen: Observed): string =>
  "failed" in input ? failedHeadline(seen) : headline(seen);

async function check(stage: Stage, input: Wrong): Promise<Verdict> {
  const faults: string[] = [];
  let last: Observed | undefined;
  for (const mode of input.modes ?? (["words", "json"] as const)) {
    last = await play(stage, input, mode);
    const found = judged(input, mode, last).filter((fault) => !faults.includes(fault));
    faults.push(...found);
  }
  return {
    input,
    headline: last === undefined ? "" : firstLine(input, last),
    exit: last?.exit ?? null,
    faults,
  };
}

async function checkAll(inputs: readonly Wrong[]): Promise<Verdict[]> {
  await using stage = await setStage();
  const verdicts: Verdict[] = [];
  const queue = inputs.values();
  const worker = async () => {
    for (const input of queue) {
      const verdict = await check(stage, input);
      verdicts.push(verdict);
      console.log(row(verdict));
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  return verdicts;
}

/** Why a case cannot be tried here, if it cannot. */
function obstacle({ asNobody, mount }: Case): string | undefined {
  const works = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
  if (mount !== undefined && !works("unshare", "-rm", "true")) return "needs user namespaces (unshare -rm)";
  const drops = () =>
    works("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, "-v");
  if (asNobody === true && process.getuid?.() === 0 && !drops())
    return "needs setpriv, or a user who is not root";
  return undefined;
}

const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;

/** What was typed, as one line whatever it holds. */
const typed = ({ args }: Case): string =>
  ["pawl", ...args.map((arg) => (/^[\w./:=@,+-]+$/.test(arg) ? arg : JSON.stringify(arg)))].join(" ");

/** A line of the table, printed as soon as it is known. */
function row({ input, headline, exit, faults }: Verdict): string {
  return line(faults.length === 0 ? "ok" : "BAD", input.what, typed(input), name(input), `${exit}`, headline);
}

const line = (
  verdict: string,
  what: string,
  typed: string,
  code: string,
  exit: string,
  says: string,
): string => {
  const cells = [
    verdict.padEnd(3),
    cut(what, 44).padEnd(44),
    cut(typed, 50).padEnd(50),
    code.padEnd(20),
    exit.padEnd(4),
  ];
  return [...cells, cut(says, 120)].join("  ");
};

const [...wanted] = process.argv.slice(2);
const chosen = [...badInputs, ...wrongTrainers].filter(({ what }) =>
  wanted.every((word) => what.includes(word)),
);
const obstacles = new Map(chosen.map((input) => [input, obstacle(input)]));
console.log(line("", "what is wrong", "what is typed", "code", "exit", "first line of the message"));
const verdicts = await checkAll(chosen.filter((input) => obstacles.get(input) === undefined));
for (const { input, faults } of verdicts) {
  if (faults.length === 0) continue;
  console.log(`\n${input.what}: ${typed(input)} (${name(input)}, exit code ${expectedExit(input)})`);
  for (const fault of faults) console.log(`  ${fault}`);
}
for (const [input, why] of obstacles)
  if (why !== undefined) console.log(`not tried here: ${input.what}: ${why}`);
const right = verdicts.filter(({ faults }) => faults.length === 0).length;
console.log(`\n${right} of ${verdicts.length} as they should be`);
process.exitCode = right === verdicts.length && verdicts.length > 0 ? 0 : 1;
