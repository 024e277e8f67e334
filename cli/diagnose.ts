import { diagnose } from "../core/diagnosis/diagnose.ts";
import { plain } from "../core/diagnosis/plain.ts";
import { readText } from "../core/diagnosis/read-text.ts";
import { exitCodes } from "../core/errors.ts";
import type { Confidence, Sign } from "../core/sign.ts";
import { paintOut } from "./colour.ts";
import type { CommandRun } from "./commands.ts";
import { verdict } from "./diagnosis-words.ts";
import { readInput } from "./read-input.ts";

interface Report {
  readonly class: string;
  readonly confidence: Confidence;
  readonly evidence: readonly Sign[];
  readonly action: string;
  readonly reason: string;
}

/** What `text` says of a failure, whichever kind of text it is. */
export function reportOn(text: string): Report {
  const diagnosis = diagnose(readText(text));
  const { class: name, confidence, signs } = diagnosis;
  // An outcome's signs are as its file has them.
  const evidence = signs.map((sign) => ({ where: plain(sign.where, 100), text: plain(sign.text, 500) }));
  return { class: name, confidence, evidence, ...verdict(diagnosis) };
}

const sureness: Readonly<Record<Confidence, string>> = {
  high: "a field says so",
  medium: "words say so",
  low: "a guess",
};

/** `pawl diagnose [input]`: says what failed, whatever it is given; only what cannot be read is an error. */
export const diagnoseInput: CommandRun = async ({ args, options, console }) => {
  const report = reportOn(await readInput(args[0]));
  if (options.json === true) {
    console.out(JSON.stringify(report));
    return exitCodes.done;
  }
  const { class: name, confidence, evidence, reason } = report;
  const width = Math.max(...evidence.map(({ where }) => where.length));
  console.out(`${paintOut("bold", name)} (confidence ${confidence}: ${sureness[confidence]})`);
  for (const { where, text } of evidence) console.out(`  ${where.padEnd(width)}  ${text}`);
  console.out(reason);
  return exitCodes.done;
};
