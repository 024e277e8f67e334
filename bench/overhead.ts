// What does Pawl add to an epoch over a trainer that does nothing? 200 epochs, every commit durable (fsync), a folder as
// the store, Pawl as npm installs it; beside it, in the same run, 200 steps of a Metaflow flow that does nothing either, and
// what the disk costs.
//
//   warmEpochMs          an epoch in a trainer's process that stays alive, from hand-out to hand-out
//   coldAttemptMs        an epoch that is an attempt of its own (segment: 1), from commit to commit, less the command alone
//   decisionMs           a decision of a function, its journal entry durable
//   cliStartMs           pawl --help
//   clonedColdAttemptMs  coldAttemptMs where Pawl runs from a clone's sources
//
// Single runs on a machine that may have other work: read medians and ratios.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { table } from "../cli/format.ts";
import { bareCommand, coldAttempts } from "./overhead/cold.ts";
import { decisions } from "./overhead/decisions.ts";
import { figure, type Measured, type Samples } from "./overhead/measured.ts";
import { metaflowSteps } from "./overhead/metaflow.ts";
import { clonedPawl, packagedPawl } from "./overhead/processes.ts";
import { cliStarts } from "./overhead/start.ts";
import { warmEpochs } from "./overhead/warm.ts";
import { median } from "./statistics.ts";

const { values: options } = parseArgs({ options: { json: { type: "boolean", default: false } } });

const say = (what: string) => console.error(`measuring ${what} …`);
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
const row = (name: string, samples: Samples): string[] => {
  const { median, p99 } = figure(samples);
  return [name, ms(median), ms(p99), String(samples.length)];
};
const section = (title: string, { samples, parts }: Measured): string =>
  table([
    [title, "median", "p99", "times"],
    row("in all", samples),
    ...parts.map((part) => row(`  ${part.name}`, part.samples)),
  ]);

const folder = await mkdtemp(join(tmpdir(), "pawl-bench-"));
try {
  console.error("packing and installing Pawl …");
  const pawl = await packagedPawl(folder);
  say("200 warm epochs");
  const warm = await warmEpochs(folder, pawl);
  say("200 cold attempts");
  const bare = await bareCommand(folder);
  const withoutCommand = ({ samples, parts }: Measured): Measured => ({
    samples: samples.map((each) => each - median(bare)),
    parts,
  });
  const cold = withoutCommand(await coldAttempts(join(folder, "cold"), pawl));
  say("200 cold attempts of a clone");
  const cloned = withoutCommand(await coldAttempts(join(folder, "cloned"), clonedPawl));
  say("decisions");
  const decided = await decisions(folder);
  say("starts of the command line");
  const starts = await cliStarts(join(folder, "warm"), "warm-1", pawl);
  say("200 steps of Metaflow");
  const metaflow = await metaflowSteps(folder);
  const ratio = (samples: Samples): number =>
    Number((median(metaflow.samples) / median(samples)).toPrecision(3));

  if (options.json) {
    const parts = ({ parts }: Measured) =>
      Object.fromEntries(parts.map(({ name, samples }) => [name, figure(samples)]));
    console.log(
      JSON.stringify({
        warmEpochMs: figure(warm.samples),
        coldAttemptMs: figure(cold.samples),
        decisionMs: figure(decided.samples),
        cliStartMs: figure(starts.samples),
        clonedColdAttemptMs: figure(cloned.samples),
        metaflowStepMs: figure(metaflow.samples),
        metaflowToWarm: ratio(warm.samples),
        metaflowToCold: ratio(cold.samples),
        where: {
          warmEpoch: parts(warm),
          coldAttempt: parts(cold),
          decision: parts(decided),
          cliStart: parts(starts),
        },
        bareCommandMs: figure(bare),
        metaflow: metaflow.version,
      }),
    );
  } else {
    console.log(
      [
        section("warm epoch", warm),
        section("cold attempt (less the command alone)", cold),
        section("decision", decided),
        section("start of the command line", starts),
        table([
          ["beside it", "median", "p99", "times"],
          row(`a step of ${metaflow.version}`, metaflow.samples),
          row("the cold attempt's command alone", bare),
          row("a cold attempt from a clone's sources", cloned.samples),
        ]),
        `a step of Metaflow to a warm epoch: ${ratio(warm.samples)}, to a cold attempt: ${ratio(cold.samples)}`,
      ].join("\n\n"),
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
