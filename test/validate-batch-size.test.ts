import { describe, expect, it } from "vitest";
import { pawl } from "./pawl.ts";
import { expectPlainWords, project } from "./projects.ts";

const validated = async (lines: string) => {
  await using folder = await project({
    "train.sh": "",
    "pawl.yaml": `name: x\ncommand: [sh, train.sh]\nepochs: 2\n${lines}\n`,
  });
  const ran = await pawl(["validate"], { cwd: folder.path });
  expectPlainWords(ran);
  return ran;
};

describe.concurrent("pawl validate, of a batch size that follows the training,", () => {
  it.each([
    {
      what: "a bound below the smallest micro-batch",
      lines: "batchSize: {min: 8, max: 64, start: 8}\nmemory: {smallestMicroBatch: 16}",
      says: "memory.smallestMicroBatch must be at most 8, which is the smallest batch size; it is 16",
    },
    {
      what: "a multiple that cannot be met",
      lines: "batchSize: {policy: goodput, min: 50, max: 90, multipleOf: 48}",
      says: "batchSize.multipleOf must have a multiple from 50 to 90",
    },
    {
      what: "bounds in the wrong order",
      lines: "batchSize: {min: 64, max: 32}",
      says: "batchSize.max must be at least 64",
    },
    {
      what: "a first size off the multiple",
      lines: "batchSize: {start: 20, multipleOf: 8}",
      says: "batchSize.start must be a multiple of 8",
    },
    {
      what: "a micro-batch above the smallest size",
      lines: "batchSize: {min: 8, max: 64, start: 32}\nmicroBatchSize: 16",
      says: "microBatchSize must be at most 8, which is the smallest batch size; it is 16",
    },
    {
      what: "parts that a size cannot have",
      lines: "batchSize: 17\nmicroBatchSize: 8\nmemory: {smallestMicroBatch: 4}",
      says: "microBatchSize must be such that each batch has equal parts of from 4",
    },
    {
      what: "a scaling of a fixed size without its reference",
      lines: "batchSize: 64\nlearningRate: {scaling: sqrt}",
      says: "learningRate.referenceBatchSize is needed with this scaling",
    },
    { what: "an unknown policy", lines: "batchSize: {policy: godput}", says: "godput" },
    {
      what: "a share of all there is",
      lines: "batchSize: {policy: throughput, share: 1}",
      says: "batchSize.share",
    },
    { what: "a micro-batch of nothing", lines: "batchSize: 8\nmicroBatchSize: 0", says: "microBatchSize" },
    { what: "a word for a size", lines: "batchSize: big", says: "batchSize must be" },
  ])("refuses $what", async ({ lines, says }) => {
    const ran = await validated(lines);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toContain(says);
  });

  it.each([
    {
      lines: "batchSize: auto",
      says: [/batch size +auto, from 32 on, 32 to 2048$/m, /sizes +32, 64, 128, 256, 512, 1024, 2048$/m],
    },
    {
      lines: "batchSize: {policy: goodput, start: 48, min: 24, max: 200, multipleOf: 8}",
      says: [/batch size +goodput, from 48 on, 24 to 200$/m, /sizes +24, 48, 96, 192, 200$/m],
    },
    {
      lines: "batchSize: auto\nmicroBatchSize: auto\nlearningRate: {warmUp: 100}",
      says: [
        /micro-batch +auto: the most that fit$/m,
        /learning rate +scaled \(auto: .*\) from the first batch size, over 100 steps after a change$/m,
      ],
    },
    {
      lines: "batchSize: {policy: plateau}\nmicroBatchSize: 8",
      says: [/micro-batch +at most 8$/m, /learning rate +not scaled$/m],
    },
    {
      lines: "batchSize: {start: 32, step: 1.5}\nmicroBatchSize: 16",
      says: [/sizes +32, 48, 72, 112, 160, 240, 352, 576, 832, 1280, 1792, 2048$/m],
    },
    { lines: "batchSize: 37\nmicroBatchSize: auto", says: [/micro-batch +auto: the most that fit$/m] },
    {
      lines: "batchSize: 64\nlearningRate: {scaling: linear, referenceBatchSize: 32}",
      says: [/batch size +64, fixed$/m, /learning rate +scaled \(linear\) from batch size 32$/m],
    },
  ])("tells what $lines comes to", async ({ lines, says }) => {
    const ran = await validated(lines);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    for (const words of says) expect(ran.stdout).toMatch(words);
  });

  it.each([
    {
      lines: "batchSize: {policy: plateau}\nlearningRate: {scaling: linear}",
      says: "learningRate.scaling: plateau makes batches larger in the place of a lower learning rate",
    },
    { lines: "batchSize: 64\nlearningRate: {warmUp: 5}", says: "learningRate.warmUp: has no effect" },
    {
      lines: "batchSize: 64\nlearningRate: {referenceBatchSize: 32}",
      says: "learningRate.referenceBatchSize: has no effect",
    },
    {
      lines: "batchSize: 365\nmicroBatchSize: 16",
      says: "microBatchSize: a batch of 365 is trained as 73 times 5, since 365 have no equal parts of from 8 to 16; a multiple of 16 has",
    },
    {
      lines: "batchSize: {start: 37, max: 148}\nmicroBatchSize: 16",
      says: "microBatchSize: a batch of 37 is trained as 37 times 1, since 37 have no equal parts",
    },
    {
      lines: "batchSize: 262\nmicroBatchSize: auto",
      says: "microBatchSize: a batch of 262 is trained as 131 times 2 at first, since 262 have no equal parts",
    },
    { lines: "batchSize: {start: 64, max: 64}", says: "batchSize.max: leaves one size to choose from, 64" },
  ])("warns where $lines does nothing", async ({ lines, says }) => {
    const ran = await validated(lines);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain(`warning: ${says}`);
    expect(ran.stderr.split("\n")).toHaveLength(2);
  });
});
