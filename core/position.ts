import * as z from "zod";

/** How many steps of an epoch are trained; what a step is, is the trainer's affair. */
export const Step = z.int().min(1).max(999_999_999_999_999);

/** Longest JSON text of a position, in characters. */
const maxPositionLength = 65_536;

/** From where in the data an epoch goes on: any JSON that the trainer understands. */
export const DataPosition = z
  .json()
  .refine((position) => JSON.stringify(position).length <= maxPositionLength, {
    error: `must be at most ${maxPositionLength} characters of JSON`,
  });
export type DataPosition = z.infer<typeof DataPosition>;

/** How far training is: epochs that are whole, and steps of the one after that. */
export interface Reach {
  readonly epoch: number;
  /** 0 at the end of `epoch`. */
  readonly step: number;
}

/** How far training was when a checkpoint was saved of `epoch`: at its end, or after `step` of its steps. */
export const reach = ({
  epoch,
  step,
}: {
  readonly epoch: number;
  readonly step?: number | undefined;
}): Reach => (step === undefined ? { epoch, step: 0 } : { epoch: epoch - 1, step });

/** Whether `a` is further than `b`. */
export const isFurther = (a: Reach, b: Reach): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.step > b.step);
