import type { JournalEntry } from "../../core/journal-entry.ts";
import type { RunResult } from "../result.ts";
import { audit } from "./audit.ts";
import type { StateMachine } from "./machine.ts";
import type { Plant } from "./planted.ts";
import { scenarioOf } from "./scenario.ts";
import { World } from "./world.ts";

export interface VirtualRun {
  readonly seed: number;
  readonly number: number;
  readonly machine: StateMachine;
  readonly story?: boolean;
  readonly calm?: boolean;
  readonly planted?: Plant;
}

/** Plays run `number` of `seed` to its end, and holds it against what must be true. */
export async function virtualRun({
  seed,
  number,
  machine,
  story = false,
  calm = false,
  planted,
}: VirtualRun): Promise<RunResult> {
  const began = performance.now();
  const world = await World.make(scenarioOf(seed, number), {
    machine,
    calm,
    ...(planted === undefined ? {} : { planted }),
  });
  try {
    const problems: string[] = [];
    try {
      await world.play();
    } catch (error) {
      problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    const entries: JournalEntry[] = [];
    for await (const entry of world.journal.entries(world.run)) entries.push(entry);
    problems.push(...(await audit(world, entries)));
    return {
      number,
      kind: "virtual",
      problems,
      injected: Object.fromEntries(world.harm.injected),
      suffered: sufferings(world, entries),
      entries: entries.length,
      attempts: (entries.at(-1)?.state.nextAttempt ?? 1) - 1,
      failures: entries.at(-1)?.state.failures.total ?? 0,
      seconds: world.time.now,
      milliseconds: performance.now() - began,
      story: story || problems.length > 0 ? world.log : [],
    };
  } finally {
    world.remove();
  }
}

/** What each attempt that suffered something was called, and what it cost. */
function sufferings(world: World, entries: readonly JournalEntry[]): RunResult["suffered"] {
  const classes = new Map<number, string>();
  const counted = new Set<string>();
  for (const { state } of entries) {
    for (const failure of state.failures.recent) classes.set(failure.attempt, failure.class);
    for (const { name } of state.kept) counted.add(name);
  }
  const steps = [...world.witness.deeds.values()].flatMap(({ firstStepAt, job }) =>
    firstStepAt === undefined ? [] : [{ at: firstStepAt, attempt: job.attempt }],
  );
  return world.batch.jobs.flatMap((job) => {
    const { suffered, stoppedAt, diedAt, attempt, id } = job;
    const outcome = world.witness.outcomes.get(id)?.result;
    const kind = suffered ?? byOutcome[outcome ?? ""];
    if (kind === undefined) return [];
    const deeds = world.witness.deeds.get(id);
    const safe = [...(deeds?.handedOver ?? [])]
      .filter(([name]) => counted.has(name))
      .map(([, seconds]) => seconds);
    const end = Math.min(stoppedAt ?? Number.POSITIVE_INFINITY, diedAt ?? Number.POSITIVE_INFINITY);
    const next = steps.filter((step) => step.attempt > attempt).map(({ at }) => at);
    const name = classes.get(attempt);
    return [
      {
        kind,
        ...(name === undefined ? {} : { class: name }),
        lostSeconds: (deeds?.trainedSeconds ?? 0) - Math.max(0, ...safe),
        ...(next.length === 0 || !Number.isFinite(end)
          ? {}
          : { pauseSeconds: Math.max(0, Math.min(...next) - end) }),
      },
    ];
  });
}

const byOutcome: Readonly<Record<string, string>> = {
  "gpu-oom": "GPU out of memory",
  numeric: "NaN",
  "store-failed": "store or function failed for good",
  "checkpoint-corrupt": "damaged checkpoint",
  interrupted: "asked to leave",
};
