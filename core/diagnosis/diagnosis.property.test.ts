import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FailureClass } from "../failure.ts";
import { Sign } from "../sign.ts";
import { diagnose } from "./diagnose.ts";
import { diagnoseLog } from "./log.ts";
import { readText } from "./read-text.ts";
import type { Diagnosis } from "./types.ts";

function expectWhole(diagnosis: Diagnosis): void {
  expect(diagnosis.class === "none" || FailureClass.safeParse(diagnosis.class).success).toBe(true);
  expect(["high", "medium", "low"]).toContain(diagnosis.confidence);
  expect(diagnosis.signs.length).toBeGreaterThan(0);
  expect(diagnosis.signs.length).toBeLessThanOrEqual(5);
  for (const sign of diagnosis.signs) expect(Sign.safeParse(sign).success).toBe(true);
  expect(diagnosis.message.length).toBeLessThanOrEqual(2000);
}

const field = fc.constantFrom(
  "StatusReason",
  "statusReason",
  "Status",
  "Container",
  "container",
  "Attempts",
  "attempts",
  "ExitCode",
  "exitCode",
  "Reason",
  "reason",
  "Error",
  "Cause",
  "error",
  "cause",
  "detail",
  "jobs",
  "events",
  "JobId",
  "Environment",
);

/** Objects with the fields of a job at any depth and with any values. */
const jobLike = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(field, tie("value"), { maxKeys: 5 }),
  ),
})).value;

describe("a diagnosis", () => {
  it("is whole, whatever text it is of", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), (text) =>
        expectWhole(diagnose(readText(text))),
      ),
    );
  });

  it("is whole, whatever stands in the fields of a job, and wherever that is cut", () => {
    fc.assert(
      fc.property(jobLike, fc.double({ min: 0, max: 1, noNaN: true }), (value, share) => {
        const text = JSON.stringify(value);
        expectWhole(diagnose(readText(text)));
        expectWhole(diagnose(readText(text.slice(0, Math.floor(text.length * share)))));
        expectWhole(diagnose({ caught: { error: "States.TaskFailed", cause: text }, ours: true }));
      }),
    );
  });

  it("is whole, whatever error and cause were caught", () => {
    const cause = fc.option(fc.oneof(fc.string(), fc.json()), { nil: undefined });
    fc.assert(
      fc.property(fc.string(), cause, (error, text) =>
        expectWhole(diagnose({ caught: { error, cause: text } })),
      ),
    );
  });

  it("is whole, and made in time, whatever looks like Python", () => {
    const piece = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      "'",
      '"',
      "\\",
      ": ",
      ", ",
      "None",
      "'Cause'",
      "'status'",
      "x",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        expectWhole(diagnose(readText(`{'${pieces.join("")}`)));
        const error = "States.TaskFailed";
        expectWhole(diagnose({ caught: { error, cause: `{'${pieces.join("")}` } }));
      }),
    );
  });

  it("is never sure of noise", () => {
    const letters = fc.string({ unit: fc.constantFrom(..."abcdefghij 0123456789_-.,\n") });
    fc.assert(
      fc.property(letters, (text) => {
        expect(diagnose(readText(text)).confidence).toBe("low");
      }),
    );
  });

  it("does bounded work on lines that are made to cost much", () => {
    const words = [
      "CUDA error ",
      "NCCL WARN ",
      "Error: ",
      "loss ",
      "/torch_",
      "An error occurred (",
      "An error occurred (x) when calling the ",
      "checkpoint ",
      "((((",
      "[rank1]: ",
      'File "',
      "Xid ",
      "gloo ",
      "c10d ",
      "a.a.",
      "found a ",
      "job ",
      "\t",
      "\u001b[",
      "\u001b]",
    ];
    const started = performance.now();
    for (const word of words)
      diagnoseLog(Array.from({ length: 400 }, () => word.repeat(Math.ceil(20_000 / word.length))));
    expect(performance.now() - started).toBeLessThan(60_000);
  });
});
