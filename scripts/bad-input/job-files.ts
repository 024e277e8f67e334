import { type BadInput, jobText } from "./case.ts";

const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefghi"].map((c, i) => `${c}: &${c} [${`*${"abcdefgh"[i]},`.repeat(9)}]\n`).join("")}`;

/** A job file that cannot be read as one: what is in it, and what is said. */
const contents: readonly (Pick<BadInput, "what" | "says"> & { readonly content: string | Uint8Array })[] = [
  { what: "no YAML", content: "name: [x\nepochs: 3\n", says: ["is not YAML", "line 2", "Correct the line"] },
  {
    what: "a tab as indentation",
    content: "name: x\nstop:\n\tmetric: loss\n",
    says: ["is not YAML", "line 3", "Tabs"],
  },
  {
    what: "two documents",
    content: `${jobText()}---\n${jobText()}`,
    says: ["is not YAML", "multiple documents"],
  },
  {
    what: "a field given twice",
    content: `${jobText()}epochs: 4\n`,
    says: ['"epochs" is given twice', "line 4", "unique"],
  },
  { what: "a YAML bomb", content: bomb, says: ["is not YAML", "alias"] },
  { what: "an alias of nothing", content: jobText({ name: "*nobody" }), says: ["is not YAML", "nobody"] },
  { what: "20,000 nested lists", content: "[".repeat(20_000), says: ["is not YAML", "deep"] },
  { what: "nothing at all", content: "", says: ["must be fields such as {name: value}", "it is empty"] },
  {
    what: "only a comment",
    content: "# later\n",
    says: ["must be fields such as {name: value}", "it is empty"],
  },
  { what: "a list", content: "[1, 2]", says: ["must be fields such as {name: value}", "it is [1,2]"] },
  { what: "a text", content: "hello\n", says: ["must be fields such as {name: value}", 'it is "hello"'] },
  {
    what: "an image",
    content: Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0xff),
    says: ["not a text", "UTF-8"],
  },
  { what: "a NUL", content: "name: x\0y\n", says: ["not a text", "NUL"] },
  {
    what: "a megabyte",
    content: `${jobText()}# ${"x".repeat(1_100_000)}`,
    says: ["1100", "at most 1048576"],
  },
];

export const jobFiles: readonly BadInput[] = [
  ...contents.flatMap(({ what, content, says }) =>
    (["train", "validate"] as const).map(
      (command): BadInput => ({
        what: `${command}: a job file with ${what}`,
        args: [command],
        files: { "pawl.yaml": content },
        code: "JOB_INVALID",
        says: ["pawl.yaml", ...says],
      }),
    ),
  ),
  {
    what: "a job file that is not there",
    args: ["train", "no.yaml"],
    code: "JOB_NOT_FOUND",
    says: ["no.yaml", "there is no such file", "Name the job file"],
  },
  {
    what: "no job file here",
    start: "nothing",
    args: ["train"],
    code: "JOB_NOT_FOUND",
    says: ["pawl.yaml", "pawl init"],
  },
  {
    what: "validate: a job file that is not there",
    args: ["validate", "no.yaml"],
    code: "JOB_NOT_FOUND",
    says: ["no.yaml"],
  },
  {
    what: "a job file that is a folder",
    args: ["train", "sub"],
    files: { "sub/x": "" },
    code: "JOB_NOT_FOUND",
    says: ["sub is a folder", "sub/pawl.yaml"],
  },
  {
    what: "a job file below a file",
    args: ["train", "pawl.yaml/x"],
    code: "JOB_NOT_FOUND",
    says: ["pawl.yaml/x", "not a folder"],
  },
  {
    what: "a job file that is a device",
    args: ["train", "/dev/zero"],
    code: "JOB_NOT_FOUND",
    says: ["/dev/zero", "no regular file"],
  },
  {
    what: "a job file with an empty name",
    args: ["train", ""],
    code: "JOB_NOT_FOUND",
    says: ['""', "cannot be the job file's name"],
  },
  {
    what: "a job file with a newline in its name",
    args: ["train", "@no\nfile"],
    code: "JOB_NOT_FOUND",
    says: ["no such file"],
  },
  {
    what: "a job file that may not be read",
    asNobody: true,
    args: ["train", "secret.yaml"],
    files: { "secret.yaml": jobText() },
    prepare: async ({ folder }) => {
      const { chmod } = await import("node:fs/promises");
      await chmod(`${folder}/secret.yaml`, 0);
      return undefined;
    },
    code: "JOB_NOT_FOUND",
    says: ["secret.yaml", "permission is denied"],
  },
  {
    what: "a job file whose links go round",
    args: ["train", "round.yaml"],
    prepare: async ({ folder }) => {
      const { symlink } = await import("node:fs/promises");
      await symlink("round.yaml", `${folder}/round.yaml`);
      return undefined;
    },
    code: "JOB_NOT_FOUND",
    says: ["round.yaml", "round in circles"],
  },
];
