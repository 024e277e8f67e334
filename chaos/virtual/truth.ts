import type { FailureClass } from "../../core/failure.ts";
import type { FaultKind } from "../faults.ts";
import type { World } from "./world.ts";

/** What an attempt's end may be called, by what really befell its Batch jobs. */
const ofFault: Partial<Record<FaultKind, readonly FailureClass[]>> = {
  // Nobody can tell: the exit code alone says that something sent a signal.
  "kill (137)": ["unknown", "host-terminated-other", "interrupted"],
  "kill (143)": ["unknown", "host-terminated-other", "interrupted"],
  "kill (no exit code)": ["unknown", "sfn-error", "host-terminated-other"],
  "trainer exits with 1": ["user-exception"],
  "trainer crashes": ["segfault/native-crash"],
  hang: ["stalled"],
  "frozen machine": ["spot-reclaim", "host-terminated-other"],
  "container out of memory": ["container-oom"],
  "reclaim with notice": ["spot-reclaim"],
  "reclaim without notice": ["spot-reclaim"],
  "believed dead": ["spot-reclaim"],
  "never started": ["capacity-never-available"],
};

/** What became of attempt `number` in truth, in words, and the classes that are right for it. */
export function truthOf(
  world: World,
  number: number,
  { unseen, stopping }: { unseen: boolean; stopping: boolean },
): { readonly what: string; readonly classes: readonly FailureClass[] } {
  const jobs = world.batch.jobs.filter(({ attempt }) => attempt === number);
  const what: string[] = [];
  const classes = new Set<FailureClass>();
  const add = (why: string, more: readonly FailureClass[]) => {
    what.push(why);
    for (const each of more) classes.add(each);
  };
  for (const { id, suffered, request } of jobs) {
    // On demand nobody reclaims a host: then it was lost for another reason.
    if (request.JobQueue.includes("on-demand")) add(`${id} was on demand`, ["host-terminated-other"]);
    if (suffered !== undefined) add(`${id}: ${suffered}`, ofFault[suffered] ?? []);
    const outcome = world.witness.outcomes.get(id)?.result;
    if (outcome !== undefined && outcome !== "done" && outcome !== "left" && outcome !== "duplicate")
      add(`${id} said ${outcome}`, [outcome]);
    // One that was told to leave, or that ended well, and whose segment is not committed: the end of another attempt's story.
    if (outcome === "left" || outcome === "duplicate" || outcome === "done")
      add(`${id} said ${outcome}`, ["unknown"]);
  }
  if (jobs.length === 0)
    add("no job was submitted", ["batch-api-throttled", "batch-api-error", "interrupted", "sfn-error"]);
  if (stopping) add("the run was to stop", ["interrupted"]);
  if (jobs.some(({ terminated }) => terminated))
    // By an execution that was aborted, or by a new driver: Batch shows the words that it was ended with.
    add("it was asked to end", ["interrupted", "cancelled/terminated-by-user"]);
  // What became of it while nobody drove the run, nobody saw.
  if (unseen) add("its driver was gone", ["interrupted"]);
  return { what: what.join("; ") || "nothing", classes: [...classes] };
}
