import { exitCodes } from "../core/errors.ts";
import { type Colour, paintOut } from "./colour.ts";
import type { CommandRun, OptionValues } from "./commands.ts";
import type { Finding } from "./doctor-finding.ts";
import { count, table } from "./format.ts";

/** What each check has; a slow network is no finding, and a person waits. */
const limitMilliseconds = 15_000;

/** The name that the CDK app deploys under where no other is given. */
const usualStack = "Pawl";

const stackOf = ({ stack }: OptionValues): string =>
  typeof stack === "string" ? stack : process.env.PAWL_STACK || usualStack;

const colours: Readonly<Record<Finding["status"], Colour>> = {
  ok: "green",
  warning: "yellow",
  problem: "red",
};

/** `pawl doctor`: what may keep a stack from training, and what to do about each. Changes nothing. */
export const doctor: CommandRun = async ({ options, console }) => {
  const { examine } = await import("./doctor-checks.ts");
  const stackName = stackOf(options);
  const findings = await examine({ stackName, limitMilliseconds });
  const problems = findings.filter(({ status }) => status === "problem").length;
  const warnings = findings.filter(({ status }) => status === "warning").length;
  if (options.json === true) {
    console.out(JSON.stringify({ ok: problems === 0, stack: stackName, checks: findings }));
  } else {
    console.out(rendered(findings));
    console.err(
      problems + warnings === 0
        ? "all is well"
        : `${count(problems, "problem")}, ${count(warnings, "warning")}`,
    );
  }
  return problems === 0 ? exitCodes.done : exitCodes.toolError;
};

/** A line for each finding, and below it what to do. */
function rendered(findings: readonly Finding[]): string {
  const rows = findings.map(({ status, subject, found }) => [status, subject, found.replaceAll("\n", " ")]);
  const lines = table(rows, (cell, row, column) => {
    const finding = findings[row];
    return column === 0 && finding !== undefined ? paintOut(colours[finding.status], cell) : cell;
  }).split("\n");
  const indent = " ".repeat(9);
  return findings
    .flatMap(({ next }, row) => [lines[row] ?? "", ...(next === undefined ? [] : [`${indent}→ ${next}`])])
    .join("\n");
}
