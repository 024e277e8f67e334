import type { Measured } from "../../../core/measured.ts";
import type { EpochPlan } from "../../../core/report.ts";
import { type Adaptdl, AdaptdlDecider } from "../adaptdl.ts";
import { nextConsultPoint } from "../decider.ts";
import type { Strategy } from "../strategies.ts";
import type { Curve } from "./curves.ts";

/**
 * adaptdl, asked at the beginning of each epoch, as it asks itself, and as often as Pawl in the first one: its code takes some tenths
 * of a second of real time, and thousands of questions would take an hour.
 */
class SeldomAsked extends AdaptdlDecider {
  #inForce: EpochPlan | undefined;

  override async plan(epoch: number): Promise<EpochPlan> {
    this.#inForce = await super.plan(epoch);
    return this.#inForce;
  }

  override async consult(epoch: number, measured: Measured): Promise<EpochPlan> {
    const steps = measured.stretches.at(-1)?.steps ?? 0;
    if (this.#inForce === undefined || (epoch === 1 && nextConsultPoint(steps - 1) === steps))
      this.#inForce = await super.consult(epoch, measured);
    return this.#inForce;
  }
}

/** adaptdl's decisions on a curve: with its own rule, which gives one machine no larger batch in one piece, and without it. */
export const adaptdlOn =
  (code: Pick<Adaptdl, "ask">) =>
  ({ start: initial, largest: max }: Curve): readonly Strategy[] => [
    {
      name: "adaptdl",
      kind: "adaptdl",
      begin: () => new SeldomAsked(code, { initial, max, rule: "optimize" }),
    },
    {
      name: "adaptdl, whole",
      kind: "adaptdl",
      begin: () => new SeldomAsked(code, { initial, max, rule: "whole" }),
    },
  ];
