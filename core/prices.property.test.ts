import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instanceTypes, spotShare, typesOf } from "./instance-types.ts";
import { markets } from "./market.ts";
import { priceOf } from "./prices.ts";

const type = fc.constantFrom(...Object.keys(instanceTypes));
const usd = fc.double({ min: 0.001, max: 100, noNaN: true });

describe("the table of instance types", () => {
  it("has for each type what an instance must have, and a price", () => {
    for (const [name, has] of Object.entries(instanceTypes)) {
      expect(name).toMatch(/^[a-z0-9]+\.[a-z0-9]+$/);
      expect(has.usdPerHour, name).toBeGreaterThan(0);
      expect(has.usdPerHour, name).toBeLessThan(100);
      expect(Number.isInteger(has.vcpus) && has.vcpus >= 2, name).toBe(true);
      expect(Number.isInteger(has.memoryMebibytes) && has.memoryMebibytes >= 512, name).toBe(true);
      expect(has.gpus > 0, name).toBe(has.gpu !== undefined && has.gpuMemoryMebibytes !== undefined);
    }
  });

  it("prices a type of more in all ways of the same family no lower", () => {
    for (const [name, has] of Object.entries(instanceTypes))
      for (const other of typesOf(name.slice(0, name.indexOf(".")))) {
        const more = instanceTypes[other];
        if (more === undefined) throw new Error(`no ${other}`);
        const dominates =
          more.vcpus >= has.vcpus && more.memoryMebibytes >= has.memoryMebibytes && more.gpus >= has.gpus;
        if (dominates)
          expect(more.usdPerHour, `${other} beside ${name}`).toBeGreaterThanOrEqual(has.usdPerHour);
      }
  });

  it("knows a family by its name, a type by its own, and nothing by half a name", () => {
    expect(typesOf("g5")).toContain("g5.48xlarge");
    expect(typesOf("g5").every((each) => each.startsWith("g5."))).toBe(true);
    expect(typesOf("p3")).not.toContain("p3dn.24xlarge");
    expect(typesOf("g6e.xlarge")).toEqual(["g6e.xlarge"]);
    for (const word of ["g", "", "optimal", "g5.", "constructor", "g5.giant"])
      expect(typesOf(word)).toEqual([]);
  });
});

describe("the price of an instance", () => {
  it("is the given one, before all others", () => {
    fc.assert(
      fc.property(type, fc.constantFrom(...markets), usd, usd, (name, market, given, spotUsdPerHour) => {
        const instance = { type: name, market, spotUsdPerHour };
        expect(priceOf(instance, { [name]: { [market]: given } })).toEqual({
          usdPerHour: given,
          from: "given",
        });
      }),
    );
  });

  it("is on spot what spot costs now, and on demand the table's", () => {
    fc.assert(
      fc.property(type, usd, (name, spotUsdPerHour) => {
        expect(priceOf({ type: name, market: "spot", spotUsdPerHour })).toEqual({
          usdPerHour: spotUsdPerHour,
          from: "spot-history",
        });
        expect(priceOf({ type: name, market: "on-demand", spotUsdPerHour })).toEqual({
          usdPerHour: instanceTypes[name]?.usdPerHour,
          from: "table",
        });
      }),
    );
  });

  it("is reckoned on spot as a share of on demand where spot is not known, never more than on demand", () => {
    fc.assert(
      fc.property(type, usd, (name, given) => {
        const listed = instanceTypes[name]?.usdPerHour ?? 0;
        const spot = priceOf({ type: name, market: "spot" });
        expect(spot).toEqual({ usdPerHour: listed * spotShare, from: "table" });
        expect(spot?.usdPerHour).toBeLessThanOrEqual(listed);
        expect(priceOf({ type: name, market: "spot" }, { [name]: { "on-demand": given } })).toEqual({
          usdPerHour: given * spotShare,
          from: "given",
        });
      }),
    );
  });

  it("of a type that nobody knows is not made up", () => {
    for (const market of markets) expect(priceOf({ type: "x9.huge", market })).toBe(undefined);
    expect(priceOf({ type: "constructor", market: "spot" })).toBe(undefined);
    expect(priceOf({ type: "x9.huge", market: "spot", spotUsdPerHour: 2 })).toEqual({
      usdPerHour: 2,
      from: "spot-history",
    });
  });
});
