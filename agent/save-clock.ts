import type { SaveCost } from "../core/policies/checkpoint-interval.ts";
import { observeSave, saveFits, saveIsDue } from "../core/policies/checkpoint-interval.ts";
import type { SaveTimes, Saving } from "../core/saving.ts";
import type { Departure } from "./departure.ts";

/** How long a trainer that steps may go on without asking again, in seconds. */
const askEverySeconds = 1;
/** And where it is to save as soon as it can. */
const askSoonSeconds = 0.1;

/** Where steps count, no larger part of an epoch's steps than one in so many goes uncounted at its end. */
const uncountedPart = 4;

const now = (): number => performance.now() / 1000;

/** Knows when a checkpoint is due: by time, by steps, or because the machine is not to be trusted any more. */
export class SaveClock {
  readonly #departure: Departure;
  readonly #isUploading: () => boolean;
  #saving: Saving;
  #savedAt = now();
  /** The newest step of this epoch that is known of. */
  #step = 0;
  #canSave = false;
  /** Whether this epoch was saved in its middle, as the schedule says. */
  #middle = false;
  /** Steps since the last save, as far as the trainer has said; absent where it counts none. */
  #steps: number | undefined;

  constructor(saving: Saving, departure: Departure, isUploading: () => boolean) {
    this.#saving = saving;
    this.#departure = departure;
    this.#isUploading = isUploading;
  }

  get cost(): SaveCost | undefined {
    return this.#saving.cost;
  }

  /** An epoch begins, with so many of its steps trained. */
  begin(step: number): void {
    this.#step = step;
    this.#middle = step > 0;
  }

  /** So many steps of the epoch are trained; `canSave`: any of them can be saved. */
  seen(step: number, canSave: boolean): void {
    this.#canSave = canSave;
    this.#steps = (this.#steps ?? 0) + step - this.#step;
    this.#step = step;
  }

  /** A save begins now: of the epoch's end, or of its middle. */
  begun(middle = false): void {
    this.#savedAt = now();
    this.#middle ||= middle && !this.demanded;
    if (this.#steps !== undefined) this.#steps = 0;
    this.#departure.saved();
  }

  /** A save has counted. `saving`: what Review says about the next ones. */
  committed(took: SaveTimes, saving: Saving | undefined): void {
    this.#saving = saving ?? { ...this.#saving, cost: observeSave(this.#saving.cost, took) };
  }

  /** Whether a save that begins now would be done before the machine is lost. */
  get fits(): boolean {
    const secondsLeft = this.#departure.secondsLeft;
    return secondsLeft === Number.POSITIVE_INFINITY || saveFits({ secondsLeft, save: this.cost });
  }

  /** Whether the machine is not to be trusted any more, so that the next chance to save is to be taken. */
  get demanded(): boolean {
    const { asked, atOnce, savingRecommended } = this.#departure;
    return asked.aborted ? !atOnce.aborted && this.fits : savingRecommended;
  }

  /** Whether a step is to be saved. One save at a time is on its way, but for the last one, if there is time for two. */
  get dueNow(): boolean {
    if (!this.#isUploading()) return this.demanded || (!this.#departure.asked.aborted && this.#isDue(0));
    const { asked, secondsLeft } = this.#departure;
    return asked.aborted && this.demanded && saveFits({ secondsLeft, save: this.cost, underWay: true });
  }

  /**
   * Whether the end of an epoch is to be saved by the schedule; the next end is so far away. Only whole epochs can be gone
   * back to from NaN, or judged best: the end is saved where the middle was, and before the next one would be.
   */
  isDueAtEnd(epochSeconds: number): boolean {
    const { epochEnds, everySeconds } = this.#saving;
    if (epochEnds === "always" || this.#middle) return true;
    if (!this.#canSave) return this.#isDue(epochSeconds);
    return (
      this.#isDue(0) || (everySeconds !== undefined && now() - this.#savedAt + epochSeconds >= everySeconds)
    );
  }

  /** When a trainer that is at a step is to ask again. */
  ask(step: number): { seconds: number; step?: number } {
    const { everySteps } = this.#saving;
    const seconds = this.#canSave ? this.#secondsToNext() : askEverySeconds;
    if (everySteps === undefined) return { seconds };
    const steps = everySteps - (this.#steps ?? 0);
    if (steps <= 0) return { seconds: this.#canSave ? askSoonSeconds : seconds };
    return { seconds, step: step + Math.max(1, Math.min(steps, Math.floor(step / uncountedPart))) };
  }

  #secondsToNext(): number {
    if (this.demanded) return askSoonSeconds;
    const { everySeconds } = this.#saving;
    const until = everySeconds === undefined ? askEverySeconds : everySeconds - (now() - this.#savedAt);
    return Math.max(this.#isUploading() ? askSoonSeconds : 0, Math.min(askEverySeconds, until));
  }

  #isDue(nextChanceSeconds: number): boolean {
    const { everySeconds, everySteps } = this.#saving;
    return saveIsDue({
      everySeconds,
      everySteps,
      secondsSinceLastSave: now() - this.#savedAt,
      stepsSinceLastSave: this.#steps,
      nextChanceSeconds,
    });
  }
}
