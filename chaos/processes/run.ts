import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MetadataServer } from "../../agent/testing/metadata-server.ts";
import { exitCodes } from "../../core/errors.ts";
import type { FailureClass } from "../../core/failure.ts";
import type { JournalEntry } from "../../core/journal-entry.ts";
import { checkpointsPrefix } from "../../core/keys.ts";
import { openStore } from "../../store/open-store.ts";
import { filesBelow, processesNaming, type Running, startPawl } from "../../test/pawl.ts";
import { Chance } from "../chance.ts";
import { checkEntry, nonsense, oneHistory, replayed, same } from "../history.ts";
import type { RunResult } from "../result.ts";
import { drawAction } from "./actions.ts";
import type { Place, Places } from "./place.ts";
import {
  entriesIn,
  expectedOrder,
  helpers,
  type Model,
  modelIn,
  type ProcessJob,
  recorded,
  run,
  writeProject,
} from "./project.ts";

export interface ProcessRun {
  readonly seed: number;
  readonly number: number;
  readonly places: Places;
  /** A folder in which `pawl` can be imported. */
  readonly project: string;
  /** What an undisturbed run of the same job ends with. */
  readonly calm: (job: ProcessJob) => Promise<Model>;
}

/** Each attempt of a run starts processes that must get somewhere between two faults. */
const longest = { pause: 1600, runSeconds: 180 };

const processJobOf = (seed: number, number: number): ProcessJob => {
  const chance = new Chance(`process job ${seed}/${number}`);
  return {
    helper: helpers[number % helpers.length] ?? "python",
    every: chance.of("every", ["epoch", "auto", "{steps: 2}", "{steps: 2}"] as const),
    memory: chance.happens("memory", 0.25) ? 2 : 64,
  };
};

/** Trains undisturbed, without pauses. */
export async function trainCalmly(project: string, job: ProcessJob): Promise<Model> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-chaos-"));
  try {
    const file = await writeProject(project, job);
    const store = join(folder, "store");
    const { code, stderr } = await startPawl(["train", file, "--store", store, "--json"]).done;
    if (code !== 0) throw new Error(`the calm run ended with ${code}: ${stderr}`);
    const kept = (await entriesIn(store)).at(-1)?.state.kept.at(-1)?.name ?? "";
    return await modelIn(store, kept, join(folder, "final"));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One run, and what is done to it. */
interface Doing {
  readonly chance: Chance;
  readonly place: Place;
  readonly metadata: MetadataServer;
  readonly train: () => Running;
  readonly env: NodeJS.ProcessEnv;
  /** While this file is not there, the trainer is slow enough for something to befall it. */
  readonly enough: string;
  readonly faults: number;
  readonly say: (text: string) => void;
  readonly injected: Record<string, number>;
  /** What the attempts' ends may be called, by what was done. */
  readonly right: Set<FailureClass>;
  readonly damaged: Set<string>;
}

/** Settles when a trainer runs, or soon. */
async function trains(place: Place, over: () => boolean): Promise<void> {
  for (let look = 0; look < 50 && !over(); look += 1) {
    if ((await recorded(await place.scratch())).trainer !== undefined) return;
    await sleep(100);
  }
}

/** Does things to what runs, now and then, until it has ended; the last time it is left alone. */
async function befall(doing: Doing, running: Running): Promise<void> {
  const { chance, injected, right, enough, faults, say } = doing;
  let over = false;
  void running.done.then(() => {
    over = true;
  });
  const count = () => Object.values(injected).reduce((sum, each) => sum + each, 0);
  while (!over) {
    await Promise.race([sleep(chance.between("pause", 100, longest.pause)), running.done]);
    if (count() >= faults) {
      await writeFile(enough, "");
      await Promise.race([running.done, sleep(longest.runSeconds * 1000, undefined, { ref: false })]);
      if (!over) running.child.kill("SIGKILL");
      await running.done;
    }
    if (over) return;
    // Most things can only befall an attempt that trains.
    if (chance.happens("while it trains", 0.8)) await trains(doing.place, () => over);
    const action = drawAction(chance);
    if (!(await action.act({ ...doing, running }))) continue;
    say(action.kind);
    injected[action.kind] = (injected[action.kind] ?? 0) + 1;
    for (const each of action.classes) right.add(each);
  }
}

/** Runs the same command again and again until the run is finished. What is wrong with how it ended, in words. */
async function trainToTheEnd(doing: Doing): Promise<string[]> {
  const { train, place, say } = doing;
  const until = Date.now() + longest.runSeconds * 1000;
  const known: readonly (number | null)[] = [exitCodes.notFinished, exitCodes.stopped, null];
  for (;;) {
    if (Date.now() > until) return [`not finished after ${longest.runSeconds} s`];
    say("pawl train");
    const running = train();
    await befall(doing, running);
    const { code, signal, stderr } = await running.done;
    say(`pawl train ended with ${signal ?? code}`);
    if (code === exitCodes.done) return [];
    const held = stderr.includes("is being trained by");
    const failing = place.checkpoints === undefined && code === exitCodes.toolError;
    if (!known.includes(code) && !held && !failing)
      return [`pawl train ended with ${code}: ${stderr.slice(-600)}`];
  }
}

/** Trains one run with real processes, of which something befalls some again and again, and holds it against what must be true. */
export async function processRun({ seed, number, places, project, calm }: ProcessRun): Promise<RunResult> {
  const began = Date.now();
  const chance = new Chance(`processes ${seed}/${number}`);
  const job = processJobOf(seed, number);
  const folder = await mkdtemp(join(tmpdir(), "pawl-chaos-"));
  const metadata = await MetadataServer.start();
  const place = await places.make(folder, new Chance(`place ${seed}/${number}`));
  const story = [`${job.helper}, a save ${job.every}, memory for ${job.memory}, in ${place.address}`];
  const enough = join(folder, "enough");
  const env = { ...place.env, STEP_SECONDS: "0.25", UNTIL: enough, PAWL_METADATA: metadata.base };
  try {
    const file = await writeProject(project, job);
    const doing: Doing = {
      chance,
      place,
      metadata,
      env,
      enough,
      train: () => startPawl(["train", file, "--store", place.address, "--json"], { env }),
      faults: chance.whole("faults", 3, 8),
      say: (text) => story.push(`${((Date.now() - began) / 1000).toFixed(2).padStart(7)}  ${text}`),
      injected: {},
      right: new Set<FailureClass>([
        ...(job.memory < 8 ? (["gpu-oom"] as const) : []),
        // What a store does by itself can be more than its client's tries.
        ...(place.checkpoints === undefined ? (["store-failed"] as const) : []),
      ]),
      damaged: new Set(),
    };
    const problems = await trainToTheEnd(doing);
    const entries = await entriesIn(place.address);
    problems.push(...checkHistory(entries, doing.right));
    if (problems.length === 0)
      problems.push(...(await checkResult(entries, place.address, join(folder, "final"), await calm(job))));
    problems.push(...(await leftOver(folder, place, entries, doing.damaged)));
    for (const { sequence, decision } of entries)
      story.push(`   entry ${sequence} ${decision.kind}: ${decision.reason}`);
    const last = entries.at(-1)?.state;
    return {
      number,
      kind: "processes",
      problems,
      injected: { ...doing.injected, ...place.faults },
      suffered: [],
      entries: entries.length,
      attempts: (last?.nextAttempt ?? 1) - 1,
      failures: last?.failures.total ?? 0,
      seconds: (Date.now() - began) / 1000,
      milliseconds: Date.now() - began,
      story,
    };
  } finally {
    // A run that did not come to its end may have left some that it started.
    for (const pid of await processesNaming(folder)) process.kill(pid, "SIGKILL");
    await metadata.stop();
    await place.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function checkHistory(entries: readonly JournalEntry[], right: ReadonlySet<FailureClass>): string[] {
  const wrong: string[] = [];
  entries.forEach((entry, index) => {
    const before = entries[index - 1]?.state;
    const problem = (what: string) =>
      wrong.push(`entry ${entry.sequence} (${entry.decision.reason}): ${what}`);
    checkEntry(entry, before, problem);
    if (entry.state.failures.total === (before?.failures.total ?? 0)) return;
    const record = entry.state.failures.recent.at(-1);
    if (record === undefined || record.message.trim() === "" || nonsense.test(record.message))
      problem("a failure without words");
    else if (!right.has(record.class) && record.class !== "interrupted")
      problem(`${record.class}, though what happened can only be called ${[...right].join(", ")}`);
  });
  return [...wrong, ...replayed(entries, 1000), ...oneHistory(entries)];
}

async function checkResult(
  entries: readonly JournalEntry[],
  store: string,
  into: string,
  calm: Model,
): Promise<string[]> {
  const last = entries.at(-1)?.state;
  if (last?.status !== "finished") return [`pawl train ended well, and the run is ${last?.status}`];
  const name = last.kept.at(-1)?.name ?? "";
  try {
    const model = await modelIn(store, name, into);
    if (!same(model[1], expectedOrder()))
      return [`the epochs' examples are not each once in their order: ${JSON.stringify(model[1])}`];
    return same(model, calm) ? [] : [`the result ${model[0]} is not that of the calm run, ${calm[0]}`];
  } catch (error) {
    return [
      `the last checkpoint ${name} cannot be restored: ${error instanceof Error ? error.message : error}`,
    ];
  }
}

async function leftOver(
  folder: string,
  place: Place,
  entries: readonly JournalEntry[],
  damaged: ReadonlySet<string>,
): Promise<string[]> {
  const wrong: string[] = [];
  const processes = await processesNaming(folder);
  if (processes.length > 0) wrong.push(`processes ${processes.join(", ")} still run`);
  const files = [...(await filesBelow(await place.scratch())), ...(await place.leftovers())];
  if (files.length > 0) wrong.push(`left behind: ${files.slice(0, 5).join(", ")}`);
  const last = entries.at(-1)?.state;
  const known = new Set([
    ...(last?.kept ?? []).map(({ name }) => name),
    ...(last?.dropped ?? []),
    ...damaged,
  ]);
  for (const { event } of entries)
    for (const { damaged: found } of "evidence" in event ? [event.evidence].flat() : [])
      if (found !== undefined) known.add(found);
  const store = await openStore(place.address);
  for await (const name of store.children(checkpointsPrefix(run)))
    if (!known.has(name)) wrong.push(`checkpoint ${name} is left behind`);
  return wrong;
}
