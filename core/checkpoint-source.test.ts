import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CheckpointFrom,
  type CheckpointSource,
  checkpointAt,
  formatCheckpointSource,
  parseCheckpointSource,
} from "./checkpoint-source.ts";
import { jobChanges, jobDigest } from "./job-digest.ts";
import { parseJob } from "./parse-job.ts";

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const text = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength });

const run = fc.tuple(text(letters, 1, 1), text(`${letters}-_`, 0, 20)).map((parts) => parts.join(""));
const epoch = fc.oneof(
  fc.constantFrom("best" as const, "last" as const),
  fc.integer({ min: 1, max: 999_999_999 }),
);
/** A part of a path: anything that is one, with what means something elsewhere in it. */
const part = fc
  .oneof(text(`${letters} @:%#?~.-`, 1, 8), fc.string({ minLength: 1, maxLength: 6 }))
  .filter((name) => !/[/\0]/.test(name) && name.isWellFormed());
const folder = fc
  .tuple(fc.constantFrom("./", "../", "/", "../../"), fc.array(part, { minLength: 1, maxLength: 4 }))
  .map(([begin, parts]) => `${begin}${parts.join("/")}`);
const bucket = text("abcdefghijklmnopqrstuvwxyz0123456789", 3, 20);
const address = fc
  .tuple(
    bucket,
    fc.array(
      part.filter((name) => !/^\.\.?$|[?#\p{Cc}]/u.test(name)),
      { maxLength: 3 },
    ),
  )
  .map(([name, parts]) => ["s3:/", name, ...parts].join("/"));

const source: fc.Arbitrary<CheckpointSource> = fc.oneof(
  folder.map((path) => ({ folder: path })),
  address.map((where) => ({ address: where })),
  fc.record({ run, epoch }),
);

const from = (value: unknown) =>
  parseJob({ name: "tune", command: ["true"], epochs: 1, checkpoint: { from: value } }, "it").job;
const problem = (value: unknown): string => {
  try {
    from(value);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "nothing is wrong with it";
};

describe("the short form of checkpoint.from", () => {
  it("means again what it was written from, whatever that is", () => {
    fc.assert(
      fc.property(source, (given) => {
        expect(parseCheckpointSource(formatCheckpointSource(given))).toEqual(given);
      }),
    );
  });

  it("is a folder where it begins with ./, ../ or /, and is not mistaken for a run", () => {
    fc.assert(
      fc.property(folder, (path) => {
        expect(parseCheckpointSource(path)).toEqual({ folder: path });
        expect(parseCheckpointSource(`${path}//`)).toEqual({ folder: path });
      }),
    );
    expect(parseCheckpointSource("/")).toEqual({ folder: "/" });
    expect(parseCheckpointSource("..")).toEqual({ folder: ".." });
  });

  it("takes a file: URL for the path that it names", () => {
    fc.assert(
      fc.property(
        folder.filter((path) => path.startsWith("/") && !path.startsWith("//")),
        (path) => {
          const url = `file://${path.split("/").map(encodeURIComponent).join("/")}`;
          expect(parseCheckpointSource(url)).toEqual({ folder: path });
        },
      ),
    );
  });

  it("is either refused or one of the three, and never throws, for any text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (given) => {
        const parsed = parseCheckpointSource(given);
        if (parsed === undefined) expect(problem(given)).toContain("checkpoint.from must be a folder");
        else expect(from(given).checkpoint).toMatchObject({ from: parsed });
      }),
    );
  });

  it.each([
    ["digits-1", { run: "digits-1", epoch: "last" }],
    ["digits-1@last", { run: "digits-1", epoch: "last" }],
    ["digits-1@best", { run: "digits-1", epoch: "best" }],
    ["digits-1@7", { run: "digits-1", epoch: 7 }],
    ["./pretrained/", { folder: "./pretrained" }],
    ["file:///models/a%20b", { folder: "/models/a b" }],
    ["file://localhost/models", { folder: "/models" }],
    ["s3://models/base/", { address: "s3://models/base" }],
    ["s3://models", { address: "s3://models" }],
  ])("%s is understood", (given, meant) => {
    expect(parseCheckpointSource(given)).toEqual(meant);
  });

  it.each([
    "",
    "pretrained/base",
    "~/models",
    "digits-1@",
    "digits-1@0",
    "digits-1@07",
    "digits-1@1e3",
    "digits-1@newest",
    "digits-1@best@best",
    "digits 1",
    "-digits",
    "https://host/model.zip",
    "S3://models/base",
    "s3://",
    "s3://x/base",
    "s3://Models/base",
    "s3://models//base",
    "s3://models/../base",
    "file:models",
    "file://host/models",
    "file:///models%2fbase",
    "file:///models%00",
    "file:///models%zz",
    "./a\0b",
    `./${"a".repeat(5000)}`,
  ])("%j is refused, with what is allowed", (given) => {
    expect(parseCheckpointSource(given)).toBeUndefined();
    expect(problem(given)).toMatch(
      /checkpoint\.from must be a folder that begins with .\/, .* digits-1@best/,
    );
  });

  it("says what a wrong one was most likely meant to be", () => {
    expect(problem("pretrained/base")).toContain("write ./pretrained/base");
    expect(problem("~/models")).toContain("'~' is not expanded");
    expect(problem(7)).toContain("checkpoint.from must be a text, or fields such as {run: …");
    expect(problem({ run: "digits-1", epoch: "newest" })).toContain("checkpoint.from.epoch must be");
    expect(problem({ run: "digits-1", epochs: 3 })).toContain(
      "checkpoint.from.epochs is not a known field; did you mean epoch?",
    );
    expect(problem({ run: "digits-1", store: "https://x" })).toContain(
      "checkpoint.from.store must be a folder",
    );
    expect(problem({ epoch: "best" })).toContain("checkpoint.from.run is missing");
  });
});

describe("the long form of checkpoint.from", () => {
  it("parses to the same as the short one, so that both make the same job", () => {
    const short = from("digits-1@best");
    const long = from({ run: "digits-1", epoch: "best" });
    expect(jobDigest(long)).toBe(jobDigest(short));
    expect(from({ run: "digits-1" }).checkpoint).toEqual(from("digits-1").checkpoint);
  });

  it("names another store by a folder, a file: URL or an S3 address", () => {
    const store = (given: string) => CheckpointFrom.parse({ run: "digits-1", store: given });
    expect(store("../other/.pawl/")).toEqual({ run: "digits-1", epoch: "last", store: "../other/.pawl" });
    expect(store("runs")).toMatchObject({ store: "runs" });
    expect(store("file:///runs")).toMatchObject({ store: "/runs" });
    expect(store("s3://bucket/runs/")).toMatchObject({ store: "s3://bucket/runs" });
  });
});

describe("a job that begins from a checkpoint", () => {
  it("is another job, and the difference names the field", () => {
    expect(jobDigest(from("./a"))).not.toBe(jobDigest(from("./b")));
    expect(jobChanges(from("digits-1"), from("digits-1@best"))).toEqual([
      { field: "checkpoint.from.epoch", before: '"last"', after: '"best"' },
    ]);
  });

  it("keeps something: with 'checkpoint: none' there is no from", () => {
    const job = { name: "tune", command: ["true"], epochs: 1, checkpoint: { policy: "none", from: "./a" } };
    expect(() => parseJob(job, "it")).toThrow("checkpoint");
  });
});

describe("the checkpoint of a store that a place is that of", () => {
  it("is found by the end of its path or address", () => {
    expect(checkpointAt("./.pawl/checkpoints/digits-1/3-1")).toEqual({
      store: "./.pawl",
      run: "digits-1",
      checkpoint: "3-1",
    });
    expect(checkpointAt("/checkpoints/digits-1/3-1-200")).toMatchObject({
      store: "/",
      checkpoint: "3-1-200",
    });
    expect(checkpointAt("s3://bucket/checkpoints/digits-1/3-1")).toMatchObject({ store: "s3://bucket" });
    expect(checkpointAt("s3://bucket/a/checkpoints/digits-1/3-1")).toMatchObject({ store: "s3://bucket/a" });
  });

  it.each([
    "./checkpoints/digits-1",
    "./checkpoints/digits-1/last",
    "./mycheckpoints/digits-1/3-1",
    "s3://checkpoints/digits-1/3-1",
    "./3-1",
  ])("is none for %s", (place) => {
    expect(checkpointAt(place)).toBeUndefined();
  });
});
