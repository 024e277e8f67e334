import { join } from "node:path";
import type { PriceList } from "../../core/instance.ts";
import type { Offers } from "../../core/stack.ts";

/** The folder that is packed, or that the image holds. */
export const trainerFolder = join(import.meta.dirname, "trainer");

/** The stack that the scenarios need; embedded, the same is offered. */
export const offers: Offers = {
  images: { default: "public.ecr.aws/docker/library/python:3.13-slim" },
  instanceTypes: ["g5.xlarge"],
  maxVcpus: 64,
};

/** A dollar a second, so that a budget is reached while somebody watches. */
export const prices: PriceList = { "g5.xlarge": { spot: 3600, "on-demand": 7200 } };

/** What an execution may answer before it hands over to a fresh one. */
export const turnsPerExecution = 4;

/** In an epoch of `trainer/train.py`. */
export const examplesPerEpoch = 240;
