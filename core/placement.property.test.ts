import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instanceTypes } from "./instance-types.ts";
import { mostContainerMemory, placementProblem, placesFor } from "./placement.ts";
import type { Offers } from "./stack.ts";

const types = Object.keys(instanceTypes);
const families = [...new Set(types.map((type) => type.slice(0, type.indexOf("."))))];

const wish = fc.record({
  gpus: fc.constantFrom(0, 0, 1, 2, 4, 8, 16),
  vcpus: fc.integer({ min: 1, max: 192 }),
  memory: fc.oneof(fc.integer({ min: 1, max: 70_000 }), fc.integer({ min: 1, max: 2_100_000 })),
});

interface Wish {
  readonly gpus: number;
  readonly vcpus: number;
  readonly memory: number;
}

const offers: fc.Arbitrary<Offers> = fc.record({
  images: fc.constant({ default: "python:3.13", torch: "pytorch/pytorch:2.8.0" }),
  instanceTypes: fc.uniqueArray(fc.constantFrom(...types, ...families), { minLength: 1, maxLength: 4 }),
  maxVcpus: fc.integer({ min: 1, max: 400 }),
});

const job = (compute: Wish, image = "default") => ({
  image,
  compute: { ...compute, market: "spot-first" as const, startWithin: 3600 },
});
const offering = (words: readonly string[], more: Partial<Offers> = {}): Offers => ({
  images: { default: "python:3.13" },
  instanceTypes: words,
  maxVcpus: 1000,
  ...more,
});

describe("what a stack can place", () => {
  it("is never refused where it fits a type that the stack may start", () => {
    fc.assert(
      fc.property(offers, fc.constantFrom(...types), fc.nat(), fc.nat(), (from, type, fewer, less) => {
        const has = instanceTypes[type];
        if (has === undefined) throw new Error(`no ${type}`);
        const compute = {
          gpus: has.gpus,
          vcpus: Math.max(1, has.vcpus - (fewer % has.vcpus)),
          memory: Math.max(1, mostContainerMemory(has) - less),
        };
        const generous = { ...from, instanceTypes: [...from.instanceTypes, type], maxVcpus: 1000 };
        expect(placementProblem(job(compute), generous)).toBe(undefined);
        expect(placesFor(job(compute), generous).map((place) => place.type)).toContain(type);
      }),
    );
  });

  it("is refused exactly where nothing fits, naming the field with its value and where the stack ends", () => {
    let refused = 0;
    fc.assert(
      fc.property(wish, offers, (compute, from) => {
        const problem = placementProblem(job(compute), from);
        const fits = placesFor(job(compute), from).length > 0 && compute.vcpus <= from.maxVcpus;
        expect(problem === undefined).toBe(fits);
        if (problem === undefined) return;
        refused += 1;
        const field = /^compute\.(gpus|vcpus|memory) must be (at most|less than) \d+/.exec(problem)?.[1];
        const value =
          field === "memory"
            ? compute.memory % 1024 === 0
              ? `${compute.memory / 1024}GiB`
              : `${compute.memory}MiB`
            : String(field === "gpus" ? compute.gpus : compute.vcpus);
        expect(problem.endsWith(`; it is ${value}`)).toBe(true);
      }),
    );
    expect(refused).toBeGreaterThan(10);
  });

  it("asking for less is never refused where asking for more is not", () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(wish, offers, part, part, part, (more, from, gpus, vcpus, memory) => {
        const less = {
          gpus: Math.floor(more.gpus * gpus),
          vcpus: Math.max(1, Math.floor(more.vcpus * vcpus)),
          memory: Math.max(1, Math.floor(more.memory * memory)),
        };
        if (placementProblem(job(more), from) === undefined)
          expect(placementProblem(job(less), from)).toBe(undefined);
      }),
    );
  });

  it("is left to AWS where an instance type is not known, but for what no instance can change", () => {
    fc.assert(
      fc.property(wish, offers, fc.constantFrom("x9.huge", "p9", "optimal"), (compute, from, word) => {
        const unknown = { ...from, instanceTypes: [...from.instanceTypes, word] };
        const problem = placementProblem(job(compute), unknown);
        expect(problem === undefined).toBe(compute.vcpus <= from.maxVcpus);
      }),
    );
  });
});

describe("the words of a refusal", () => {
  it("an image that the stack has not", () => {
    const two = offering(["g5"], { images: { torch: "x", default: "y" } });
    const compute = { gpus: 1, vcpus: 4, memory: 1024 };
    expect(placementProblem(job(compute, "torhc"), two)).toBe(
      "image must be one of default, torch (did you mean torch?); it is 'torhc'",
    );
    expect(placementProblem(job(compute, "constructor"), two)).toContain("it is 'constructor'");
  });

  it("all of an instance's memory, which is never to be had", () => {
    const whole = { gpus: 1, vcpus: 4, memory: 16_384 };
    expect(placementProblem(job(whole), offering(["g5.xlarge", "c7i"]))).toBe(
      "compute.memory must be less than 16GiB, best at most 15GiB: of the stack's instance types (g5.xlarge, c7i) with at least 1 GPU and 4 vCPUs the largest is g5.xlarge with 16GiB, of which the instance keeps a part; it is 16GiB",
    );
  });

  it("more GPUs, and more virtual CPUs beside GPUs, than any type has", () => {
    const from = offering(["g4dn.xlarge", "c7i.48xlarge"]);
    expect(placementProblem(job({ gpus: 2, vcpus: 4, memory: 1024 }), from)).toBe(
      "compute.gpus must be at most 1: none of the stack's instance types (g4dn.xlarge, c7i.48xlarge) has more; it is 2",
    );
    expect(placementProblem(job({ gpus: 1, vcpus: 8, memory: 1024 }), from)).toBe(
      "compute.vcpus must be at most 4: none of the stack's instance types (g4dn.xlarge, c7i.48xlarge) with at least 1 GPU has more; it is 8",
    );
  });
});

it("places come cheapest first, each once, though a family and its types are both named", () => {
  const places = placesFor(
    job({ gpus: 1, vcpus: 4, memory: 14 * 1024 }),
    offering(["g5", "g5.xlarge", "g6"]),
  );
  expect(places[0]?.type).toBe("g6.xlarge");
  expect(new Set(places.map(({ type }) => type)).size).toBe(places.length);
  const prices = places.map(({ usdPerHour }) => usdPerHour);
  expect(prices).toEqual(prices.toSorted((a, b) => a - b));
});
