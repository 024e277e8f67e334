import { describe, expect, it } from "vitest";
import { type Answered, AwsService, quickPatience, restError, virtualClock } from "../aws/testing/service.ts";
import type { AttemptRequest } from "../core/requests.ts";
import { reviewAttempt } from "../lambdas/review.ts";
import { FakeWorld, job, run } from "../lambdas/testing/fake-world.ts";
import { temporaryFolders } from "../store/testing/temporary-folder.ts";
import { lambdaReviewer } from "./lambda-reviewer.ts";

const freshFolder = temporaryFolders({ fast: true });
const own = { run, attempt: 1, batchJobId: "job-a" };
const claim: AttemptRequest = { sequence: 0, event: { ...own, type: "started" } };
const report = (metrics: Record<string, number>): AttemptRequest => ({
  sequence: 0,
  event: { ...own, type: "report", report: { epoch: 1, metrics, seconds: 1 } },
});
const thrown = (errorType: string, errorMessage: string): Answered => ({
  headers: { "x-amz-function-error": "Unhandled" },
  body: { errorType, errorMessage, trace: [] },
});

/** The real Review behind a stand-in for Lambda. */
async function deployedReview() {
  const world = await FakeWorld.make(await freshFolder());
  await world.open("driver-1", { job });
  const review = reviewAttempt(world.ports());
  const service = await new AwsService(async ({ path, body, headers }) => {
    expect(path).toBe("/2015-03-31/functions/pawl-Review/invocations");
    expect(headers["x-amz-invocation-type"]).toBe("RequestResponse");
    return { body: await review(JSON.parse(body)) };
  }).start();
  const reviewer = lambdaReviewer("pawl-Review", {
    patience: quickPatience,
    timeouts: { connectMilliseconds: 1000, idleMilliseconds: 300 },
  });
  return { world, service, reviewer };
}

describe("Review, asked by Lambda", () => {
  it("gives the same answers as through the pipe: the assignment with its job, then the next epoch", async () => {
    const { world, service, reviewer } = await deployedReview();
    const begun = await reviewer.review(claim);
    expect(begun).toMatchObject({ answer: { action: "begin", assignment: { plan: { epoch: 1 } } }, job });
    expect(await reviewer.review(report({ loss: 1 }))).toMatchObject({
      answer: { action: "train", plan: { epoch: 2 } },
    });
    expect(await world.kinds()).toEqual(["opened", "claimed", "reported"]);
    expect(service.asked).toHaveLength(2);
  });

  it.each<[string, Answered]>([
    ["is throttled", restError(429, "TooManyRequestsException", "Rate Exceeded.")],
    ["fails at the server", restError(500, "ServiceException")],
    ["finds the function's network not ready", restError(502, "ENILimitReachedException")],
    ["gets no answer in time", "silent"],
    ["loses its connection", "lost"],
    [
      "meets a time-out of the function",
      thrown("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 120.00 seconds"),
    ],
    [
      "meets an end of the function's process",
      thrown("Runtime.ExitError", "RequestId: 1 Error: Runtime exited"),
    ],
    ["meets a store that the function cannot reach", thrown("Pawl.StoreUnreachable", "cannot read it")],
  ])("is asked again where it %s", async (_, failure) => {
    const { service, reviewer } = await deployedReview();
    service.first(failure, failure);
    expect(await reviewer.review(claim)).toMatchObject({ answer: { action: "begin" } });
    expect(service.asked).toHaveLength(3);
  });

  it("decides once where an answer was lost after the decision", async () => {
    const { world, service, reviewer } = await deployedReview();
    service.first("done-and-lost");
    expect(await reviewer.review(claim)).toMatchObject({ answer: { action: "begin" } });
    expect(await world.kinds()).toEqual(["opened", "claimed"]);
  });

  it.each<[string, Answered, string]>([
    ["refuses what it was asked", thrown("ZodError", "event: not an event"), "ZodError: event: not an event"],
    [
      "may not write the store",
      thrown("Pawl.StoreDenied", "cannot create journal/1"),
      "cannot create journal/1",
    ],
    [
      "answers too much",
      thrown("Function.ResponseSizeTooLarge", "Response payload size exceeded"),
      "Response payload size exceeded",
    ],
    [
      "may not be asked",
      restError(403, "AccessDeniedException", "User: x is not authorized"),
      "lambda:InvokeFunction on pawl-Review",
    ],
    [
      "is not there",
      restError(404, "ResourceNotFoundException", "Function not found: x"),
      "Function not found",
    ],
    ["is sent too much", restError(413, "RequestTooLargeException", "too large"), "too large"],
  ])("ends the attempt as store-failed, at once, where it %s", async (_, failure, words) => {
    const { service, reviewer } = await deployedReview();
    service.first(failure);
    await expect(reviewer.review(claim)).rejects.toMatchObject({
      name: "AttemptError",
      result: "store-failed",
      message: expect.stringContaining(words),
    });
    expect(service.asked).toHaveLength(1);
  });

  it("says of a full store what the pipe says", async () => {
    const { service, reviewer } = await deployedReview();
    service.first(thrown("Pawl.StoreFull", "there is no space left"));
    await expect(reviewer.review(claim)).rejects.toMatchObject({ code: "STORE_FULL" });
  });

  it("says of an answer that is none of Review's that it is not understood", async () => {
    const { service, reviewer } = await deployedReview();
    service.first({ body: { answer: { action: "dance" } } });
    await expect(reviewer.review(claim)).rejects.toMatchObject({
      result: "unknown",
      message: expect.stringContaining("not understood"),
    });
  });

  it("sends nothing that is longer than Lambda takes, and says so", async () => {
    const { service, reviewer } = await deployedReview();
    const metrics = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`${index}`.padEnd(120_000, "x"), index]),
    );
    await expect(reviewer.review(report(metrics))).rejects.toMatchObject({
      result: "user-exception",
      message: expect.stringMatching(/the report has \d+ bytes, and Review takes 6291456 at most/),
    });
    expect(service.asked).toEqual([]);
  });

  it("gives up where Lambda is throttled for good", async () => {
    const { service } = await deployedReview();
    service.first(...Array.from({ length: 1000 }, () => restError(429, "TooManyRequestsException")));
    const reviewer = lambdaReviewer("pawl-Review", { clock: virtualClock() });
    await expect(reviewer.review(claim)).rejects.toMatchObject({
      result: "store-failed",
      message: expect.stringContaining("busy or failing"),
    });
    expect(service.asked.length).toBeGreaterThan(10);
  });
});
