import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namedPolicies } from "../cli/commands.ts";
import { ReplayedRun } from "../cli/replay.ts";
import { policyNames } from "../core/policies/batch-size/index.ts";
import { readBlocks } from "../scripts/docs-commands.ts";
import { pawl, type Ran, root, startPawl } from "./pawl.ts";
import {
  countProject,
  expectPlainWords,
  type Project,
  project,
  saying,
  shown,
  shownText,
} from "./projects.ts";

/** The trainer that the documentation shows: its gradients are mostly noise, the more so the longer it trains. */
const trainer = readBlocks(readFileSync(join(root, "docs", "batch-size.md"), "utf8")).find(
  ({ file }) => file === "mean/train.py",
)?.text;

const job = `name: mean
command: [python3, train.py]
epochs: 6
batchSize: {start: 16, max: 512}
`;

/** The newest entry of a journal whose decision is of `kind`, and its file. */
async function newestOf(folder: Project, run: string, kind: string): Promise<{ file: string; text: string }> {
  const { history } = await shown(folder, run);
  const sequence = history.decisions.findLast((decision) => decision.kind === kind)?.sequence;
  const file = join(folder.path, ".pawl", "journal", run, `${String(sequence).padStart(10, "0")}.json`);
  return { file, text: await readFile(file, "utf8") };
}

describe("a run whose batch size follows what its trainer measures", () => {
  let folder: Project;
  let trained: Ran;
  const replay = (...args: string[]) => pawl(["replay", "mean-1", ...args], { cwd: folder.path });
  const replayed = async (...args: string[]) => {
    const ran = await replay(...args, "--json");
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    return ReplayedRun.parse(JSON.parse(ran.stdout));
  };

  beforeAll(async () => {
    folder = await project({ "train.py": trainer ?? "", "pawl.yaml": job });
    trained = await pawl(["train"], { cwd: folder.path });
    expect(trained.code, trained.stderr).toBe(0);
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  it("says while it trains when the size changes, from what to what, and why", () => {
    expect(trained.stderr).toMatch(
      /epoch \d+ goes on after step \d+ with batch size 32 for 16: .*noise scale/,
    );
    expect(trained.stdout).toMatch(/^ {2}batch size +\d+ after \d+ changes?$/m);
  });

  it("is shown with each change, what it was made from, and what came of it", async () => {
    const { history, batchSize } = await shown(folder, "mean-1");
    expect(history.batchSizes.length).toBeGreaterThan(1);
    expect(history.batchSizes.map(({ number }) => number)).toEqual(history.batchSizes.map((_, i) => i + 1));
    expect(history.batchSizes[0]).toMatchObject({ epoch: 1, from: 16, to: 32 });
    expect(history.batchSizes[0]?.step).toBeGreaterThanOrEqual(8);
    for (const [i, { from }] of history.batchSizes.slice(1).entries())
      expect(from).toBe(history.batchSizes[i]?.to);
    const judged = history.batchSizes.filter(({ obtainedGain }) => obtainedGain !== undefined);
    expect(judged.length).toBeGreaterThan(0);
    expect(batchSize).toMatchObject({
      size: history.batchSizes.at(-1)?.to,
      changes: history.batchSizes.length,
    });
    expect(history.epochs.at(-1)?.batchSize).toBe(batchSize?.size);

    const text = await shownText(folder, "mean-1");
    expect(text).toMatch(
      /^Batch size\n {2}# +when +from → to +noise scale +step time +predicted +obtained +outcome$/m,
    );
    expect(text).toMatch(/^ {2}1 +epoch 1 step \d+ +16 → 32 +[\d.]+ +[\d.]+ (ms|µs).* (kept|undone)/m);
  });

  it("comes out the same when it is replayed", async () => {
    const told = await replayed();
    expect(told.decisions.same).toBe(told.decisions.count);
    expect(told).toMatchObject({ run: "mean-1", measured: true, differing: [] });
    expect(told.decisions.count).toBe((await shown(folder, "mean-1")).history.decisions.length);
    expect(told.batchSizes[0]).toMatchObject({ epoch: 1, step: 0, size: 16 });
    const sizes = new Set(told.batchSizes.map(({ size }) => size));
    expect(sizes.size).toBeGreaterThan(2);
    expect(told.batchSizes.some(({ noiseScale }) => noiseScale !== undefined)).toBe(true);

    const people = await replay();
    expect(people).toMatchObject({ code: 0, stderr: "" });
    expectPlainWords(people);
    expect(people.stdout).toMatch(
      new RegExp(`^${told.decisions.count} of ${told.decisions.count} decisions come out the same$`, "m"),
    );
    expect(people.stdout).toMatch(/^ {2}when +decided +noise scale +predicted +why$/m);
    expect(people.stdout).toMatch(/^ {2}epoch 1 +16 +batch size 16, the first$/m);
  });

  it("would have stayed as it was with a fixed size, and gone elsewhere with other policies", async () => {
    const fixed = await replayed("--policy", "16");
    expect(fixed.policy).toEqual({ policy: "fixed", size: 16 });
    expect(fixed.batchSizes.map(({ other }) => other?.size)).toEqual(fixed.batchSizes.map(() => 16));
    expect(fixed.decisions.same).toBe(fixed.batchSizes.filter(({ size }) => size === 16).length);
    expect(fixed.decisions.same).toBeLessThan(fixed.decisions.count);

    const scaled = await replayed("--policy", "noise-scale");
    expect(scaled.policy).toMatchObject({ policy: "noise-scale", start: 16, max: 512, hold: 8 });
    expect(scaled.batchSizes.some(({ other }) => other?.reason.includes("noise scale") === true)).toBe(true);
    const plateau = await replayed("--policy", "{policy: plateau, metric: nowhere, mode: min}");
    expect(plateau.policy).toMatchObject({ policy: "plateau", start: 16, max: 512 });
    const own = await replayed("--policy", "{policy: goodput, max: 64}");
    expect(own.policy).toMatchObject({ policy: "goodput", max: 64 });
    expect(plateau.batchSizes.at(-1)?.other?.reason).toContain(
      "held: no epoch reported 'nowhere' as a number",
    );

    const people = await replay("--policy", "goodput");
    expect(people).toMatchObject({ code: 0, stderr: "" });
    expect(people.stdout).toMatch(
      /^goodput, from 16 on, 16 to 512: \d+ of \d+ decisions on the batch size come out the same$/m,
    );
    expect(people.stdout).toMatch(/^ {2}when +decided +goodput +noise scale +predicted +why$/m);
  });

  it.each([
    { policy: "goodputt", says: 'there is no policy "goodputt"; did you mean goodput?' },
    { policy: "nothing", says: "fixed, schedule, plateau, noise-scale, throughput, goodput, auto" },
    { policy: "fixed", says: "Give a size: --policy 64." },
    { policy: "schedule", says: "Give its steps: --policy '{policy: schedule" },
    { policy: "{policy: goodput, start: 8, max: 4}", says: "batchSize.start must be at most 4" },
    { policy: "{policy: plateau, mod: max}", says: "batchSize.mod is not a known field; did you mean mode?" },
    { policy: "{policy: plateau, metric: accuracy}", says: "batchSize.mode is missing: give min or max" },
    { policy: "[", says: '--policy "[" is not YAML' },
    { policy: "", says: "--policy is empty" },
    { policy: "0", says: "batchSize must be at least 1" },
  ])("refuses --policy '$policy' with what is wrong and what may be given", async ({ policy, says }) => {
    const ran = await replay("--policy", policy);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expectPlainWords(ran);
    expect(ran.stderr).toContain(says);
    const told = JSON.parse((await replay("--policy", policy, "--json")).stdout);
    expect(told.error).toMatchObject({ code: "USAGE" });
  });

  it("is found to be changed where somebody wrote in its journal, with 1 and the decision", async () => {
    const { file, text } = await newestOf(folder, "mean-1", "resized");
    try {
      await writeFile(file, text.replace(/(epoch \d+ goes on after step)/, "a stranger says that $1"));
      const ran = await replay();
      expect(ran).toMatchObject({ code: 1, stderr: "" });
      expectPlainWords(ran);
      expect(ran.stdout).toMatch(/^(\d+) of (?!\1)\d+ decisions come out the same$/m);
      expect(ran.stdout).toMatch(/^ {2}\d+ +was +resized +a stranger says that epoch/m);
      expect(ran.stdout).toMatch(/^ +is +resized +epoch \d+ goes on after step/m);
      const json = await replay("--json");
      expect(json.code).toBe(1);
      const told = ReplayedRun.parse(JSON.parse(json.stdout));
      expect(told.differing).toHaveLength(1);
      expect(told.differing?.[0]).toMatchObject({ kind: "resized", differs: ["reason"] });
    } finally {
      await writeFile(file, text);
    }
  });
});

it("a run whose memory ran out, and that was killed, comes out the same and goes on with what it had learnt", async () => {
  const fits = 40;
  const text = (trainer ?? "").replace(
    /^( *)half = /m,
    `$1if len(batch.micro[0]) > ${fits}:\n$1    raise SystemExit("torch.OutOfMemoryError: CUDA out of memory.")\n$1half = `,
  );
  expect(text).toContain("OutOfMemoryError");
  await using folder = await project({ "train.py": text, "pawl.yaml": job });
  const first = startPawl(["train"], { cwd: folder.path });
  await saying(first, "epoch 2 is committed");
  first.child.kill("SIGKILL");
  await first.done;
  const second = await pawl(["train"], { cwd: folder.path });
  expect(second.code, second.stderr).toBe(0);

  const { memory, history, batchSize } = await shown(folder, "mean-1");
  expect(memory).toMatchObject([{ machine: "local" }]);
  expect(memory?.[0]?.wall).toBeGreaterThan(fits);
  expect(history.failures.filter(({ class: name }) => name === "gpu-oom").length).toBeGreaterThan(0);
  expect(batchSize?.size).toBeGreaterThanOrEqual(32);
  expect(history.epochs.map(({ epoch, examples }) => [epoch, examples])).toEqual(
    [1, 2, 3, 4, 5, 6].map((epoch) => [epoch, 4096]),
  );
  const replayed = await pawl(["replay", "mean-1", "--json"], { cwd: folder.path });
  expect(replayed.code, replayed.stdout).toBe(0);
  const told = ReplayedRun.parse(JSON.parse(replayed.stdout));
  expect(told.differing).toEqual([]);
});

describe.concurrent("pawl replay", () => {
  it("completes the policies that their names alone make", () => {
    expect([...namedPolicies, "fixed", "schedule"].sort()).toEqual([...policyNames].sort());
  });

  it("says of a run that measured nothing that it did not, and what to do", async () => {
    await using folder = await countProject();
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const ran = await pawl(["replay", "count-1"], { cwd: folder.path });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^(\d+) of \1 decisions come out the same$/m);
    expect(ran.stdout).toContain("Nothing was measured that a batch size can follow");
    expect(ran.stdout).toContain("Give batchSize: auto");
    const json = await pawl(["replay", "count-1", "--policy", "goodput", "--json"], { cwd: folder.path });
    expect(ReplayedRun.parse(JSON.parse(json.stdout))).toMatchObject({ measured: false });
  });

  it("says with 102 that there is no such run, and changes nothing in a store", async () => {
    await using folder = await countProject();
    const nowhere = await pawl(["replay", "count-1"], { cwd: folder.path });
    expect(nowhere).toMatchObject({ code: 102, stdout: "" });
    expect(nowhere.stderr).toContain("there is no store at ");
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const other = await pawl(["replay", "count-7", "--json"], { cwd: folder.path });
    expect(other.code).toBe(102);
    expect(JSON.parse(other.stdout).error).toMatchObject({ code: "RUN_NOT_FOUND" });
    expect(other.stderr).toContain("it holds count-1");
  });
});
