import { describe, expect, it, vi } from "vitest";
import type { Jobs } from "../ports.ts";
import { run } from "./fake-world.ts";

/** A Batch with the jobs of the run `digits-1`. */
export interface JobsWorld {
  readonly jobs: Jobs;
  /** Submits a job for an attempt, that runs until it is ended; gives its id once it runs. */
  start(attempt: number): Promise<string>;
  /** Lets all jobs end by themselves. */
  finish(): Promise<void>;
}

/** What holds for the Batch jobs of a run, wherever they are. */
export function jobsContract(make: () => Promise<JobsWorld>): void {
  describe("the jobs of a run", () => {
    it("are looked at by their ids, or by their attempt where nobody has claimed them", async () => {
      const { jobs, start } = await make();
      const batchJobId = await start(1);
      const running = { running: true };
      expect(await jobs.look({ run, attempt: 1, batchJobId })).toMatchObject(running);
      expect(await jobs.look({ run, attempt: 1, batchJobId: undefined })).toMatchObject(running);
      expect(await jobs.look({ run, attempt: 2, batchJobId: undefined })).toEqual({ running: false });
    });

    it("that nobody knows any more do not run, and can be ended", async () => {
      const { jobs } = await make();
      const ref = { run, attempt: 7, batchJobId: "11111111-2222-3333-4444-555555555555" };
      expect(await jobs.look(ref)).toEqual({ running: false });
      expect(await jobs.end(ref, "no reason")).toEqual({ running: false });
    });

    it.each(["its id", "its attempt"])("end when that is asked for by %s, once or twice", async (by) => {
      const { jobs, start } = await make();
      const id = await start(1);
      const ref = { run, attempt: 1, batchJobId: by === "its id" ? id : undefined };
      await Promise.all([jobs.end(ref, "Stopped by alice"), jobs.end(ref, "Stopped by alice")]);
      await vi.waitFor(async () => expect((await jobs.look(ref)).running).toBe(false), { timeout: 20_000 });
      expect(await jobs.end(ref, "Stopped by bob")).toMatchObject({ running: false });
    });

    it("that have ended by themselves do not run", async () => {
      const { jobs, start, finish } = await make();
      const batchJobId = await start(1);
      await finish();
      await vi.waitFor(
        async () => expect((await jobs.look({ run, attempt: 1, batchJobId })).running).toBe(false),
        { timeout: 20_000 },
      );
    });
  });
}
