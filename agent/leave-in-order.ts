import { setTimeout as sleep } from "node:timers/promises";
import { leavingSeconds, saveFits } from "../core/policies/save-cost.ts";
import type { Reach } from "../core/position.ts";
import { AttemptError } from "./attempt-error.ts";
import type { Course } from "./course.ts";
import type { Departure } from "./departure.ts";
import type { SaveClock } from "./save-clock.ts";
import type { TrainerSession } from "./trainer-session.ts";
import type { Uploads } from "./uploads.ts";
import { within } from "./within.ts";

interface Leaving {
  readonly departure: Departure;
  readonly course: Course;
  readonly clock: SaveClock;
  readonly session: TrainerSession;
  readonly uploads: Uploads;
}

const lookEveryMilliseconds = 50;

/**
 * Leaves with as much as there is time for: where the trainer can be saved soon enough, waits for that save and for its
 * commit, while the trainer goes no further. Always throws what the attempt ends with.
 */
export async function leaveInOrder(leaving: Leaving, error: AttemptError): Promise<never> {
  const { departure, course, session, uploads } = leaving;
  if (departure.atOnce.aborted) throw error;
  const before = course.handOvers;
  session.hold(() => course.handOvers > before);
  while (course.handOvers === before && isWorthWaiting(leaving)) await sleep(lookEveryMilliseconds);
  const saved = course.handOvers > before;
  if (saved) {
    await within((departure.secondsLeft - leavingSeconds) * 1000, untilDone(uploads, departure.atOnce));
  } else session.letGo();
  const reached = saved && !uploads.busy ? uploads.committed : undefined;
  const ending = reached === undefined ? why(leaving) : `: saved ${words(reached)}, and left`;
  throw new AttemptError(error.result, error.message + ending, error.more);
}

/** Whether what is trained since the last save can still be saved in time. */
function isWorthWaiting({ departure, course, clock, session }: Leaving): boolean {
  if (departure.atOnce.aborted) return false;
  if (course.reported && course.unsaved === 0) return false;
  const { secondsLeft } = departure;
  if (session.saving) return secondsLeft > leavingSeconds;
  if (session.steps) return clock.fits;
  return course.unsaved > 0 && saveFits({ secondsLeft: secondsLeft - course.secondsToEnd, save: clock.cost });
}

const untilDone = (uploads: Uploads, atOnce: AbortSignal): Promise<void> =>
  Promise.race([
    uploads.drain(),
    new Promise<void>((resolve) => atOnce.addEventListener("abort", () => resolve())),
  ]);

const words = ({ epoch, step }: Reach): string =>
  step === 0 ? `epoch ${epoch}` : `epoch ${epoch + 1}, step ${step}`;

function why({ departure, clock, course }: Leaving): string {
  const { cost } = clock;
  if (
    cost === undefined ||
    departure.atOnce.aborted ||
    (course.reported && course.unsaved === 0) ||
    clock.fits
  )
    return "";
  const left = Math.max(0, Math.round(departure.secondsLeft));
  return `; left without saving: a save takes ${Math.round(cost.seconds)} s, and ${left} s were left`;
}
