import { describe, expect, it } from "vitest";
import type { Driver } from "../../core/run-state.ts";
import type { Liveness } from "../ports.ts";
import { run } from "./fake-world.ts";

export interface LivenessWorld {
  readonly liveness: Liveness;
  /** A driver of `digits-1` that has begun. */
  begin(): Promise<Driver>;
  /** It ends, in whatever way. */
  end(driver: Driver): Promise<void>;
  /** A driver of the same kind that there never was. */
  readonly nobody: Driver;
  /** What names a driver that lives. */
  readonly who: RegExp;
}

/** What holds for whoever tells whether a run's driver lives. */
export function livenessContract(make: () => Promise<LivenessWorld>): void {
  describe("a driver", () => {
    it("lives from its beginning to its end, and is named", async () => {
      const { liveness, begin, end, who } = await make();
      const driver = await begin();
      const alive = { alive: true, who: expect.stringMatching(who) };
      expect(await liveness.check(run, driver)).toEqual(alive);
      expect(await liveness.check(run, driver)).toEqual(alive);
      await end(driver);
      expect(await liveness.check(run, driver)).toEqual({ alive: false, who: expect.any(String) });
    });

    it("that there never was does not live", async () => {
      const { liveness, nobody } = await make();
      expect(await liveness.check(run, nobody)).toMatchObject({ alive: false });
    });

    it("of no kind that is known does not live", async () => {
      const { liveness } = await make();
      const driver = { id: "somebody", execution: "somebody" };
      expect(await liveness.check(run, driver)).toMatchObject({ alive: false });
    });
  });
}
