import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import * as z from "zod";
import { TrainingJob, type TrainingJobInput } from "./job.ts";
import { jobJsonSchema } from "./parse-job.ts";
import { scalings } from "./policies/learning-rate.ts";

const examples = join(import.meta.dirname, "..", "examples");
const schema = jobJsonSchema();
/** Another's reading of the schema. */
const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);

const accepts = (input: unknown): boolean => validate(input) === true;

describe("the job's JSON Schema", () => {
  it("is of the draft that it names, with an identity, a title and words for every field", () => {
    expect(schema).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: "urn:pawl:job",
      title: expect.any(String),
      description: expect.any(String),
      required: ["name", "command", "epochs"],
      additionalProperties: false,
    });
    const Property = z.looseObject({
      description: z.string().min(10),
      examples: z.array(z.unknown()).min(1),
    });
    const properties = z.record(z.string(), Property).parse(schema.properties);
    expect(Object.keys(properties).sort()).toEqual(Object.keys(TrainingJob.shape).sort());
  });

  it("has examples and defaults that it accepts itself", () => {
    const least = { name: "x", command: ["x"], epochs: 1, batchSize: 8 };
    const { examples: whole, properties } = z
      .object({
        examples: z.array(z.unknown()).min(1),
        properties: z.record(
          z.string(),
          z.looseObject({ examples: z.array(z.unknown()), default: z.unknown().optional() }),
        ),
      })
      .parse(schema);
    for (const example of whole) expect(accepts(example), JSON.stringify(validate.errors)).toBe(true);
    for (const [field, { examples: shown, default: fallback }] of Object.entries(properties)) {
      for (const value of [...shown, ...(fallback === undefined ? [] : [fallback])]) {
        const job = { ...least, [field]: value };
        expect(accepts(job), `${field}: ${JSON.stringify(value)}`).toBe(true);
        expect(TrainingJob.safeParse(job).success, `${field}: ${JSON.stringify(value)}`).toBe(true);
      }
    }
  });

  it.each(readdirSync(examples))("accepts examples/%s/pawl.yaml", (name) => {
    const job: unknown = parse(readFileSync(join(examples, name, "pawl.yaml"), "utf8"));
    expect(accepts(job), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each<[string, Record<string, unknown>]>([
    ["a misspelt field", { epoch: 3 }],
    ["a wrong type", { command: "python3 train.py" }],
    ["what is out of range", { epochs: 0 }],
    ["an unknown policy", { batchSize: { policy: "fixd" } }],
    ["a field of another policy", { batchSize: { policy: "goodput", size: 8 } }],
    ["a size that is no number", { batchSize: { start: "32" } }],
    ["a micro-batch that is neither", { batchSize: 8, microBatchSize: "all" }],
    ["a wrong unit", { retry: { baseDelay: "5 minutes" } }],
    ["a bad name", { name: "../x" }],
    ["a bad variable", { env: { "a-b": "x" } }],
  ])("refuses %s", (_, more) => {
    expect(accepts({ name: "x", command: ["x"], epochs: 1 })).toBe(true);
    expect(accepts({ name: "x", command: ["x"], epochs: 1, ...more })).toBe(false);
  });
});

const goal = {
  metric: fc.string({ minLength: 1, maxLength: 20 }),
  mode: fc.constantFrom("min" as const, "max" as const),
};
const whole = (min: number, max: number) => fc.integer({ min, max });

/** Jobs with all that can be said by a schema; rules of several fields may be broken. */
const anyJob: fc.Arbitrary<TrainingJobInput> = fc.record(
  {
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$/),
    command: fc.array(fc.string(), { minLength: 1, maxLength: 4 }),
    epochs: whole(1, 999_999_999),
    seed: whole(0, 4_294_967_295),
    batchSize: fc.oneof(
      whole(1, 1_048_576),
      fc.record({ policy: fc.constant("fixed" as const), size: whole(1, 1000) }),
      fc.record({
        policy: fc.constant("schedule" as const),
        steps: fc.array(fc.record({ fromEpoch: whole(1, 3), size: whole(1, 1000) }), {
          minLength: 1,
          maxLength: 3,
        }),
      }),
      fc.constant("auto" as const),
      fc.record(
        {
          policy: fc.constantFrom("auto" as const, "goodput" as const, "plateau" as const),
          start: whole(1, 64),
          min: whole(1, 32),
          max: whole(32, 2048),
          multipleOf: whole(1, 16),
          step: fc.double({ min: 1.05, max: 4, noNaN: true }),
        },
        { requiredKeys: ["policy"] },
      ),
      fc.record({ start: whole(1, 64), max: whole(1, 64) }, { requiredKeys: [] }),
    ),
    microBatchSize: fc.oneof(fc.constant("auto" as const), whole(1, 64)),
    learningRate: fc.record(
      {
        scaling: fc.constantFrom(...scalings),
        referenceBatchSize: whole(1, 64),
        warmUp: whole(0, 100),
      },
      { requiredKeys: [] },
    ),
    stop: fc.record(
      { ...goal, target: fc.double({ noNaN: true, noDefaultInfinity: true }), patience: whole(1, 9) },
      { requiredKeys: ["metric", "mode"] },
    ),
    checkpoint: fc.oneof(
      fc.constant("none" as const),
      fc.record(
        {
          policy: fc.constant("keep" as const),
          keep: whole(1, 100),
          best: fc.record(goal),
          from: fc.oneof(
            fc.constantFrom(
              "./pretrained",
              "/models",
              "s3://bucket/base",
              "digits-1",
              "digits-1@best",
              "digits-1@7",
            ),
            fc.constantFrom("~/models", "s3://UPPER", "ftp://x", ""),
            fc.record(
              {
                run: fc.constant("digits-1"),
                epoch: fc.constantFrom("last" as const, "best" as const, 7),
                store: fc.constant("./runs"),
              },
              { requiredKeys: ["run"] },
            ),
          ),
        },
        { requiredKeys: [] },
      ),
    ),
    segment: fc.oneof(fc.constant("auto" as const), whole(1, 50)),
    retry: fc.record(
      {
        failuresWithoutProgress: whole(1, 100),
        baseDelay: fc.constantFrom("250ms", "1s", "1.5h"),
        maxDelay: fc.constantFrom("30s", "2d"),
      },
      { requiredKeys: [] },
    ),
    compute: fc.record(
      { gpus: whole(0, 16), vcpus: whole(1, 192), memory: fc.constantFrom("512MiB", "14GiB") },
      { requiredKeys: [] },
    ),
    data: fc.constantFrom("data", "a/b", "../x", "/etc"),
    env: fc.dictionary(fc.constantFrom("A", "b_1", "PAWL_X"), fc.string()),
  },
  { requiredKeys: ["name", "command", "epochs"] },
);

/** A job with one thing in it replaced, added or removed. */
const spoiltJob = fc
  .tuple(anyJob, fc.constantFrom(...Object.keys(TrainingJob.shape), "nonsense"), fc.jsonValue())
  .map(([job, field, value]) => ({ ...job, [field]: value }));

/** Rules that no schema of single fields says. */
const isRuleOfOurs = (issue: z.core.$ZodIssue): boolean =>
  issue.code === "custom" ||
  (issue.code === "invalid_union" &&
    issue.errors.some((issues) => issues.length > 0 && issues.every(isRuleOfOurs))) ||
  (issue.code === "invalid_key" && issue.issues.every(isRuleOfOurs));

describe("the JSON Schema and the parser", () => {
  it.each([
    ["jobs", anyJob],
    ["spoilt jobs", spoiltJob],
    ["anything", fc.jsonValue()],
  ] as const)(
    "agree on %s, but for the rules that only the parser knows",
    (_, inputs: fc.Arbitrary<unknown>) => {
      const seen = { both: 0, neither: 0 };
      fc.assert(
        fc.property(inputs, (input) => {
          const parsed = TrainingJob.safeParse(input);
          const accepted = accepts(input);
          if (parsed.success) expect(accepted, JSON.stringify(validate.errors)).toBe(true);
          else if (accepted) expect(parsed.error.issues.filter((issue) => !isRuleOfOurs(issue))).toEqual([]);
          seen[accepted ? "both" : "neither"] += 1;
        }),
        { numRuns: 1000 },
      );
      expect(inputs === anyJob ? seen.both : seen.neither).toBeGreaterThan(100);
    },
  );
});
