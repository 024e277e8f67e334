import { describe, expect, it } from "vitest";
import { failureOf } from "./s3-failures.ts";
import { defaultPatience, retrying, type Tries } from "./s3-retry.ts";
import { testClock } from "./testing/test-clock.ts";

const answered = (name: string, httpStatusCode: number): Error =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });

const broken = (code: string): Error => Object.assign(new Error(code), { code });

const always =
  (error: Error) =>
  async ({ progress: _ }: Tries): Promise<never> => {
    throw error;
  };

describe("the retry policy", () => {
  it("waits twice as long at most each time, up to 10 s, and gives up after a minute", async () => {
    const { clock, waits } = testClock(1);
    const error = answered("SlowDown", 503);
    await expect(retrying({ clock, patience: defaultPatience }, always(error))).rejects.toBe(error);
    expect(waits.slice(0, 9)).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    const all = waits.reduce((sum, wait) => sum + wait, 0);
    expect(all).toBeLessThanOrEqual(60_000);
    expect(all).toBeGreaterThan(50_000);
  });

  it("takes anything from no wait to the longest, so that many writers spread out", async () => {
    const { clock, waits } = testClock(0.25);
    const patience = { ...defaultPatience, totalMilliseconds: 200 };
    await expect(retrying({ clock, patience }, always(broken("ECONNRESET")))).rejects.toThrow();
    expect(waits).toEqual([25, 50, 100]);
  });

  it("begins anew after progress", async () => {
    const { clock, waits } = testClock(1);
    let tries = 0;
    const result = await retrying(
      { clock, patience: { ...defaultPatience, totalMilliseconds: 800 } },
      async (it) => {
        tries += 1;
        if (tries === 12) return "done";
        if (tries % 3 === 0) it.progress();
        throw broken("ECONNRESET");
      },
    );
    expect(result).toBe("done");
    expect(waits).toEqual([100, 200, 100, 200, 400, 100, 200, 400, 100, 200, 400]);
  });

  it("tells a try whether an earlier one may have been done", async () => {
    const outcomes: [Error, boolean][] = [
      [broken("ECONNREFUSED"), false],
      [broken("ENOTFOUND"), false],
      [broken("ECONNRESET"), true],
      [answered("InternalError", 500), true],
    ];
    for (const [error, doubtful] of outcomes) {
      const { clock } = testClock(0);
      const seen: boolean[] = [];
      await retrying({ clock, patience: defaultPatience }, async (tries) => {
        seen.push(tries.doubtful);
        if (seen.length === 1) throw error;
      });
      expect(seen).toEqual([false, doubtful]);
    }
  });

  it("tries damaged bytes a few times, and not for a minute", async () => {
    const { clock, waits } = testClock(1);
    await expect(
      retrying({ clock, patience: defaultPatience }, always(answered("BadDigest", 400))),
    ).rejects.toThrow();
    expect(waits).toHaveLength(6);
  });

  it("ends at once, with the signal's reason, when it is aborted", async () => {
    const { clock } = testClock(0);
    const leaving = new AbortController();
    const reason = new Error("left");
    const trying = retrying({ clock, patience: defaultPatience, signal: leaving.signal }, async () => {
      leaving.abort(reason);
      throw broken("ECONNRESET");
    });
    await expect(trying).rejects.toBe(reason);
  });
});

describe("the table of failures", () => {
  it("tries again what passes", () => {
    const passing = [
      answered("SlowDown", 503),
      answered("Unheard", 502),
      answered("InternalError", 500),
      answered("ConditionalRequestConflict", 409),
      answered("OperationAborted", 409),
      answered("RequestTimeout", 400),
      answered("TooManyRequests", 429),
      answered("SyntaxError", 200),
      broken("ECONNRESET"),
      broken("EPIPE"),
      broken("EAI_AGAIN"),
      broken("HPE_INVALID_CONSTANT"),
      Object.assign(new Error("slow"), { name: "TimeoutError" }),
    ];
    for (const error of passing)
      expect([error.message, failureOf(error)]).toMatchObject([error.message, { again: true }]);
  });

  it("tries nothing again that stays as it is, and names it", () => {
    const staying: [Error, string][] = [
      [answered("AccessDenied", 403), "STORE_DENIED"],
      [answered("Forbidden", 403), "STORE_DENIED"],
      [answered("InvalidAccessKeyId", 403), "STORE_CREDENTIALS"],
      [answered("SignatureDoesNotMatch", 403), "STORE_CREDENTIALS"],
      [answered("ExpiredToken", 400), "STORE_CREDENTIALS"],
      [Object.assign(new Error("none"), { name: "CredentialsProviderError" }), "STORE_CREDENTIALS"],
      [answered("NoSuchBucket", 404), "STORE_NOT_FOUND"],
      [answered("PermanentRedirect", 301), "STORE_NOT_FOUND"],
      [answered("NotImplemented", 501), "STORE_FAILED"],
      [answered("EntityTooLarge", 400), "STORE_FAILED"],
      [broken("CERT_HAS_EXPIRED"), "STORE_UNREACHABLE"],
      [broken("EPROTO"), "STORE_UNREACHABLE"],
    ];
    for (const [error, code] of staying)
      expect([error.name, failureOf(error)]).toMatchObject([error.name, { again: false, code }]);
  });

  it("leaves alone what is no failure of S3", () => {
    for (const error of [new TypeError("a mistake"), broken("ERR_INVALID_ARG_TYPE"), "words", undefined]) {
      expect(failureOf(error)).toEqual({ again: false, doubtful: false, code: undefined });
    }
  });
});
