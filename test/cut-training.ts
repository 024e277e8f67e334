import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EpochPlan } from "../core/report.ts";
import type { TrainerRequest } from "../core/trainer-protocol.ts";
import { answerLine, type Scenario, startScriptedAgent } from "./scripted-agent.ts";
import type { TrainerProcess } from "./trainer-process.ts";

/** Numbers from 0 to 1 that follow from `seed` (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What came of a training, whatever happened on the way. */
interface Trained {
  readonly reports: readonly {
    readonly epoch: number;
    readonly metrics: unknown;
    readonly examples: unknown;
  }[];
  /** The files of the last epoch's checkpoint, in hexadecimal. */
  readonly files: Readonly<Record<string, string>>;
}

/** What happened on the way. */
export interface Way {
  readonly cuts: number;
  /** How many attempts went on in the middle of an epoch. */
  readonly resumed: number;
}

interface Kept {
  readonly folder: string;
  /** The last whole epoch. */
  readonly epoch: number;
  readonly rest?: Exclude<Scenario["resume"], undefined>;
}

const filesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString("hex")]),
  );

export interface Fate {
  /** From 0 to 1. */
  readonly random: () => number;
  /** The most attempts that are ended. */
  readonly cuts: number;
  /** Steps between two questions, at most. */
  readonly between: number;
}

/**
 * Trains `plans` under agents that save at random steps and end the trainer at random requests, and start it again from
 * what was saved last. Throws where a trainer ends by itself with another exit code than 0.
 */
export async function trainCut(
  start: (socketPath: string) => TrainerProcess,
  plans: readonly EpochPlan[],
  { random, cuts, between }: Fate,
): Promise<{ readonly trained: Trained; readonly way: Way }> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-cut-"));
  const reports = new Map<number, Trained["reports"][number]>();
  let kept: Kept | undefined;
  let [done, resumed] = [0, 0];

  /** One attempt; whether it has trained all there is. */
  async function attempt(number: number): Promise<boolean> {
    const from = kept;
    if (from?.rest !== undefined) resumed += 1;
    let trainer: TrainerProcess | undefined;
    let position: Exclude<Scenario["resume"], undefined>["position"] = null;
    let wasCut = false;
    await using agent = await startScriptedAgent({
      plans: plans.filter(({ epoch }) => epoch > (from?.epoch ?? 0)),
      ...(from === undefined
        ? {}
        : {
            restored: {
              folder: from.folder,
              epoch: from.epoch,
              ...(from.rest === undefined ? {} : { step: from.rest.step }),
            },
            ...(from.rest === undefined ? {} : { resume: from.rest }),
          }),
      atStep: ({ step }) =>
        random() < 0.3 ? "save" : { seconds: 3600, step: step + 1 + Math.floor(random() * between) },
      speak: (request, usual) => {
        if (request.type === "step") position = request.position;
        if (request.type === "saved") keep(request);
        if (request.type === "report") {
          const { epoch, metrics, examples } = request;
          reports.set(epoch, { epoch, metrics, examples });
        }
        if (request.type !== "hello" && done < cuts && random() < 0.15) {
          wasCut = true;
          done += 1;
          trainer?.child.kill("SIGKILL");
          return { pieces: [], close: true };
        }
        const isLast = request.type === "checkpoint" && request.epoch === plans.at(-1)?.epoch;
        if (request.type === "checkpoint" && !isLast && random() < 0.2) {
          return { pieces: [answerLine({ type: "skip" })] };
        }
        return { pieces: [answerLine(usual)] };
      },
    });
    const keep = ({ epoch, step }: Extract<TrainerRequest, { type: "saved" }>): void => {
      const copy = join(folder, `${number}-${epoch}-${step ?? "end"}`);
      cpSync(agent.checkpointFolder(epoch, step), copy, { recursive: true });
      kept =
        step === undefined
          ? { folder: copy, epoch }
          : { folder: copy, epoch: epoch - 1, rest: { step, position, seconds: 60 } };
    };
    using started = start(agent.socketPath);
    trainer = started;
    const { code, stderr } = await started.ended;
    if (agent.problems.length > 0) throw new Error(agent.problems.join("\n"));
    if (wasCut) return false;
    if (code !== 0) throw new Error(`The trainer ended with ${code}: ${stderr}`);
    return true;
  }

  try {
    let number = 1;
    while (!(await attempt(number))) number += 1;
    if (kept === undefined) throw new Error("Nothing was saved.");
    const inOrder = [...reports.values()].sort((a, b) => a.epoch - b.epoch);
    return {
      trained: { reports: inOrder, files: filesOf(kept.folder) },
      way: { cuts: done, resumed },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same without anything on the way: no checkpoint within an epoch, no end. */
export const trainCalm = async (
  start: (socketPath: string) => TrainerProcess,
  plans: readonly EpochPlan[],
): Promise<Trained> =>
  (await trainCut(start, plans, { random: () => 0.99, cuts: 0, between: 1_000_000 })).trained;
