import { type InstanceType, instanceTypes, typesOf } from "./instance-types.ts";
import type { TrainingJob } from "./job.ts";
import { nearest } from "./nearest.ts";
import type { Offers } from "./stack.ts";

type Wish = Pick<TrainingJob, "compute" | "image">;

/** A type that a job fits on. */
export interface Place extends InstanceType {
  readonly type: string;
}

/** What ECS keeps for its agent on each instance (`ECS_RESERVED_MEMORY`, as Batch sets it). */
const agentMebibytes = 32;

/** Linux keeps 64 bytes for each page of 4 KiB. */
const pageShare = 64 / 4096;

/**
 * The most memory that a container can have on an instance, in MiB: what certainly stays with the kernel and the agent
 * is taken off. In truth they keep more, about 5% of 16 GiB, so a job that asks for nearly this much may still
 * never be placed; but nothing that fits is refused.
 */
export const mostContainerMemory = ({ memoryMebibytes }: Pick<InstanceType, "memoryMebibytes">): number =>
  Math.floor(memoryMebibytes * (1 - pageShare)) - agentMebibytes;

/**
 * Why the stack can never place an attempt of this job: the image is none of its, or no instance that it may start has so
 * many GPUs, virtual CPUs or so much memory. Names the field, its value and what is allowed; `undefined` where it can, or where an
 * instance type is not known well enough to say.
 */
export function placementProblem({ image, compute }: Wish, offers: Offers): string | undefined {
  const images = Object.keys(offers.images).sort();
  if (!images.includes(image)) {
    const meant = nearest(image, images);
    const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    return `image must be one of ${images.join(", ")}${hint}; it is '${image}'`;
  }
  if (compute.vcpus > offers.maxVcpus)
    return `compute.vcpus must be at most ${offers.maxVcpus}, the stack's maxVcpus; it is ${compute.vcpus}`;
  if (!allKnown(offers)) return undefined;

  let left = offered(offers);
  // What is left when the last of several wishes fails decides what can be said of it, so each is narrowed by those before.
  const narrow = (fits: (place: Place) => boolean) => {
    const fitting = left.filter(fits);
    if (fitting.length === 0) return false;
    left = fitting;
    return true;
  };
  const { gpus, vcpus, memory } = compute;
  const among = `the stack's instance types (${offers.instanceTypes.join(", ")})`;
  if (!narrow((place) => place.gpus >= gpus)) {
    const most = largest(left, (place) => place.gpus);
    return `compute.gpus must be at most ${most.gpus}: none of ${among} has more; it is ${gpus}`;
  }
  const those = gpus === 0 ? "" : ` with at least ${gpus} GPU${gpus === 1 ? "" : "s"}`;
  if (!narrow((place) => place.vcpus >= vcpus)) {
    const most = largest(left, (place) => place.vcpus);
    return `compute.vcpus must be at most ${most.vcpus}: none of ${among}${those} has more; it is ${vcpus}`;
  }
  if (!narrow((place) => mostContainerMemory(place) >= memory)) {
    const most = largest(left, (place) => place.memoryMebibytes);
    const has = memoryWords(most.memoryMebibytes);
    return `compute.memory must be less than ${has}, best at most ${memoryWords(advisable(most))}: of ${among}${those} and ${vcpus} vCPUs the largest is ${most.type} with ${has}, of which the instance keeps a part; it is ${memoryWords(memory)}`;
  }
  return undefined;
}

/**
 * The types that the job fits on among those that the stack may start, the cheapest on demand first. Types that are not
 * in the table are left out: nobody here knows what they have.
 */
export function placesFor({ compute }: Pick<Wish, "compute">, offers: Offers): readonly Place[] {
  return offered(offers)
    .filter(
      (place) =>
        place.gpus >= compute.gpus &&
        place.vcpus >= compute.vcpus &&
        mostContainerMemory(place) >= compute.memory,
    )
    .sort((a, b) => a.usdPerHour - b.usdPerHour || (a.type < b.type ? -1 : 1));
}

const allKnown = ({ instanceTypes: words }: Offers): boolean =>
  words.length > 0 && words.every((word) => typesOf(word).length > 0);

/** Each known type that the stack may start, once. */
const offered = ({ instanceTypes: words }: Offers): readonly Place[] =>
  [...new Set(words.flatMap(typesOf))].flatMap((type) => {
    const has = instanceTypes[type];
    return has === undefined ? [] : [{ type, ...has }];
  });

/** Of `places`, of which there is at least one. */
const largest = (places: readonly Place[], by: (place: Place) => number): Place =>
  places.reduce((most, place) => (by(place) > by(most) ? place : most));

/** What surely fits: a sixteenth is left to the instance. */
const advisable = ({ memoryMebibytes }: InstanceType): number => Math.floor((memoryMebibytes * 15) / 16);

/** As a job says it: `14GiB`, `512MiB`. */
const memoryWords = (mebibytes: number): string =>
  mebibytes % 1024 === 0 ? `${mebibytes / 1024}GiB` : `${mebibytes}MiB`;
