import { type BadInput, jobText } from "./case.ts";
import { credentials, withServer } from "./s3-stores.ts";

/** A job that begins from a checkpoint that is not to be had; `trained` has the run count-1 in its store. */
const from = (
  value: string,
  more: Pick<BadInput, "what" | "code" | "says"> & Partial<BadInput>,
): BadInput => ({
  args: ["train"],
  ...more,
  files: { "pawl.yaml": jobText({ checkpoint: `{from: ${value}}` }), ...more.files },
});

const unlike = (value: string, says: readonly string[]): BadInput =>
  from(value, { what: `checkpoint.from ${value}`, code: "JOB_INVALID", says: ["checkpoint.from", ...says] });

const missing = (value: string, what: string, more: Pick<BadInput, "says"> & Partial<BadInput>): BadInput =>
  from(value, {
    what: `begin from ${what}`,
    code: "CHECKPOINT_NOT_FOUND",
    ...more,
    says: ["checkpoint.from", ...more.says],
  });

export const origins: readonly BadInput[] = [
  unlike("pretrained/base", ["write ./pretrained/base"]),
  unlike("~/models", ["'~' is not expanded"]),
  unlike("s3://UPPER/x", ["s3://UPPER/x"]),
  unlike("ftp://host/x", ["ftp://host/x"]),
  unlike("digits-1@soon", ["digits-1@soon"]),
  unlike("''", ['""']),
  unlike("5", ["5"]),
  unlike("{run: digits-1, epoc: 3}", ["epoc", "did you mean epoch?"]),
  missing("./nowhere", "a folder that is not there", { says: ["./nowhere"] }),
  missing("./empty", "an empty folder", {
    says: ["./empty"],
    prepare: async ({ folder }) => {
      const { mkdir } = await import("node:fs/promises");
      await mkdir(`${folder}/empty`);
      return undefined;
    },
  }),
  missing("./count.sh", "a file", { says: ["./count.sh"] }),
  missing("digits-1@best", "a run where there is none", { says: ["digits-1"] }),
  missing("digits-1@best", "a run that is not there", {
    start: "trained",
    says: ["digits-1", "it has count-1"],
  }),
  missing("count-1@99", "an epoch that is not kept", {
    start: "trained",
    says: ["count-1", "99", "4, 5, 6"],
  }),
  missing("{run: digits-1, store: ./nowhere}", "a store that is not there", { says: ["nowhere"] }),
  missing("s3://no-such-bucket/base", "a bucket that is not there", {
    says: ["no-such-bucket"],
    env: credentials,
    prepare: withServer,
  }),
];
