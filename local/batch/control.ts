import * as z from "zod";
import type { AccountJobs } from "./jobs.ts";
import { refused } from "./service-error.ts";

const OfJob = z.object({ jobId: z.string() });

/** What tests do to the emulated Batch, as one does things to a job that nobody asks AWS for: `POST /_pawl/<what>`. */
export function control(jobs: AccountJobs, path: string, body: unknown): object {
  switch (path.slice("/_pawl/".length)) {
    case "health":
      return { status: "ok" };
    case "kill":
      jobs.job(OfJob.parse(body).jobId).kill();
      return {};
    case "out-of-memory":
      jobs.job(OfJob.parse(body).jobId).outOfMemory();
      return {};
    case "reclaim": {
      const { jobId, instance } = OfJob.extend({ instance: z.string() }).parse(body);
      jobs.job(jobId).reclaim(instance);
      return {};
    }
    case "notice": {
      const { jobId, seconds } = OfJob.extend({ seconds: z.number() }).parse(body);
      jobs.notice(jobId, seconds);
      return {};
    }
    case "throttle":
      jobs.throttle.next(z.object({ count: z.int().min(0) }).parse(body).count);
      return {};
    case "log":
      return { lines: jobs.log(OfJob.parse(body).jobId).lines() };
    case "jobs":
      return { jobs: jobs.all().map((job) => job.describe()) };
    default:
      throw refused(`there is no control ${path}`);
  }
}
