import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AttemptError, asAttemptError } from "./attempt-error.ts";
import { Departure } from "./departure.ts";
import { watchForReclaim } from "./spot-notice.ts";
import { MetadataServer } from "./testing/metadata-server.ts";

let metadata: MetadataServer;
let departure: Departure;
let watch: { end(): void } | undefined;

beforeEach(async () => {
  metadata = await MetadataServer.start();
  departure = new Departure();
});

afterEach(async () => {
  watch?.end();
  await metadata.stop();
});

const begin = (base = metadata.base) => {
  watch = watchForReclaim(base, departure, 20);
};
const asked = async (): Promise<AttemptError> => {
  await expect.poll(() => departure.asked.aborted).toBe(true);
  return asAttemptError(departure.asked.reason);
};
const looks = (count: number) => expect.poll(() => metadata.asked.length).toBeGreaterThan(count);

describe("the watch for a reclaim", () => {
  it("asks with one token, and says nothing while there is no notice", async () => {
    begin();
    await looks(8);
    expect(metadata.asked.slice(0, 3)).toEqual([
      "PUT /latest/api/token",
      "GET /latest/meta-data/spot/instance-action",
      "GET /latest/meta-data/events/recommendations/rebalance",
    ]);
    expect(metadata.asked.filter((each) => each.startsWith("PUT"))).toHaveLength(1);
    expect([departure.asked.aborted, departure.savingRecommended]).toEqual([false, false]);
  });

  it.each(["terminate", "stop"])(
    "gives the time that a notice to %s gives, and says which instance",
    async (action) => {
      metadata.notice(90, action);
      begin();
      const error = await asked();
      expect(error).toMatchObject({ result: "spot-reclaim", message: "spot notice for i-0123456789abcdef0" });
      expect(error.more).toMatchObject({
        instance: "i-0123456789abcdef0",
        confidence: "high",
        signs: [{ where: "instance-metadata", text: expect.stringContaining(`"action":"${action}"`) }],
      });
      expect(departure.secondsLeft).toBeGreaterThan(60);
      expect(departure.secondsLeft).toBeLessThan(91);
      expect(departure.atOnce.aborted).toBe(false);
      const count = metadata.asked.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(metadata.asked).toHaveLength(count);
    },
  );

  it("leaves at once for one that begins now", async () => {
    metadata.notice(0, "hibernate");
    begin();
    await asked();
    expect(departure.atOnce.aborted).toBe(true);
  });

  it("promises no more than two minutes, whatever the clock says", async () => {
    metadata.notice(10_000);
    begin();
    await asked();
    expect(departure.secondsLeft).toBeLessThanOrEqual(120);
  });

  it("leaves on a notice although it does not learn which instance it is", async () => {
    metadata.set("instance-id", undefined);
    metadata.notice(90);
    begin();
    expect(await asked()).toMatchObject({ message: "spot notice", more: { signs: [expect.anything()] } });
  });

  it("recommends to save, once, and sees a notice that comes after it", async () => {
    metadata.recommendRebalance();
    begin();
    await expect.poll(() => departure.savingRecommended).toBe(true);
    departure.saved();
    await looks(metadata.asked.length + 4);
    expect([departure.savingRecommended, departure.asked.aborted]).toEqual([false, false]);
    metadata.notice(90);
    expect((await asked()).result).toBe("spot-reclaim");
  });

  it("asks for another token when its own is worth nothing any more", async () => {
    begin();
    await looks(3);
    metadata.forgetTokens();
    await looks(metadata.asked.length + 4);
    expect(metadata.asked.filter((each) => each.startsWith("PUT"))).toHaveLength(2);
    metadata.notice(90);
    expect((await asked()).result).toBe("spot-reclaim");
  });

  it.each([500, 403])("goes on after it was answered with %i", async (status) => {
    metadata.failing = status;
    begin();
    await looks(3);
    metadata.failing = undefined;
    metadata.notice(90);
    expect((await asked()).result).toBe("spot-reclaim");
  });

  it.each(["", "<html>", "{}", '{"action":"terminate","time":"soon"}', "[]"])(
    "takes '%s' for no notice",
    async (text) => {
      metadata.set("spot/instance-action", text);
      begin();
      await looks(4);
      expect(departure.asked.aborted).toBe(false);
    },
  );

  it("goes on where nobody answers, and ends when it is told to", async () => {
    metadata.failing = "silent";
    begin();
    await looks(0);
    watch?.end();
    begin("http://127.0.0.1:1");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(departure.asked.aborted).toBe(false);
  });
});
