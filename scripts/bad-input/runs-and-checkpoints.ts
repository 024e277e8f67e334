import { takeLease } from "../../local/lease.ts";
import { openFolderStore } from "../../store/folder.ts";
import type { BadInput } from "./case.ts";

const badNames = [
  ["../x", "train"],
  ["a b", "resume"],
  ["a/b", "show"],
  ["-x", "pull"],
  ["ä", "train"],
  [".", "show"],
  ["x".repeat(61), "train"],
  ["a\nb", "resume"],
  ["", "show"],
  ["../x", "stop"],
  ["../x", "logs"],
  ["../x", "watch"],
  ["../x", "checkpoints"],
  ["../x", "prune"],
] as const;

const known = "count-1";

/** The commands that ask for a run that is there. */
const ofARun: readonly (readonly [command: string, ...more: string[]])[] = [
  ["show"],
  ["resume"],
  ["pull", "--to", "there"],
  ["stop"],
  ["logs"],
  ["watch"],
  ["checkpoints"],
  ["prune"],
];

export const runsAndCheckpoints: readonly BadInput[] = [
  ...badNames.map(
    ([name, command]): BadInput => ({
      what: `${command} of the run ${name.length > 60 ? "of 61 letters" : JSON.stringify(name)}`,
      args:
        command === "train"
          ? [command, `--run=${name}`]
          : [command, ...(command === "pull" ? ["--to", "there"] : []), "--", name],
      code: "NAME_INVALID",
      says: [JSON.stringify(name), "1 to 60 letters"],
    }),
  ),
  ...ofARun.map(
    ([command, ...more]): BadInput => ({
      what: `${command} of a run that is not there`,
      start: "trained",
      args: [command, "count-7", ...more],
      code: "RUN_NOT_FOUND",
      says: ["count-7", `it holds ${known}`],
    }),
  ),
  ...ofARun.map(
    ([command, ...more]): BadInput => ({
      what: `${command} where there is no store`,
      args: [command, known, ...more],
      code: "RUN_NOT_FOUND",
      says: [known, "there is no store", ".pawl"],
    }),
  ),
  {
    what: "a checkpoint that is not kept",
    start: "trained",
    args: ["pull", known, "--to", "there", "--epoch", "99"],
    code: "CHECKPOINT_NOT_FOUND",
    says: ["epoch 99", known, "epochs 4, 5, 6"],
  },
  {
    what: "a destination that is taken",
    start: "trained",
    files: { "there/mine.txt": "mine\n" },
    args: ["pull", known, "--to", "there"],
    code: "DESTINATION_EXISTS",
    says: ["there"],
  },
  {
    what: "a destination that is a file",
    start: "trained",
    args: ["pull", known, "--to", "count.sh"],
    code: "DESTINATION_EXISTS",
    says: ["count.sh"],
  },
  {
    what: "a destination below a file",
    start: "trained",
    args: ["pull", known, "--to", "count.sh/there"],
    code: "DESTINATION_EXISTS",
    says: ["count.sh/there"],
  },
  {
    what: "a destination where nothing can be made",
    start: "trained",
    args: ["pull", known, "--to", "/proc/there"],
    code: "STORE_UNWRITABLE",
    says: ["/proc/there"],
  },
  {
    what: "a new run with the name of another",
    start: "trained",
    args: ["train", "--new", "--run", known],
    code: "RUN_EXISTS",
    says: [known],
  },
  {
    what: "a job file that has changed",
    start: "trained",
    files: { "pawl.yaml": "name: count\ncommand: [sh, count.sh]\nepochs: 9\n" },
    args: ["train"],
    code: "JOB_CHANGED",
    says: ["epochs: 6 → 9", "--accept-changes", "--new"],
  },
  {
    what: "stop of a run that is finished",
    start: "trained",
    args: ["stop", known],
    code: "RUN_OVER",
    says: [known, "finished"],
  },
  {
    what: "the log of an attempt that is not there",
    start: "trained",
    args: ["logs", known, "--attempt", "99"],
    code: "ATTEMPT_NOT_FOUND",
    says: ["99", known],
  },
  {
    what: "the log of an attempt that is no number",
    start: "trained",
    args: ["logs", known, "--attempt", "first"],
    code: "USAGE",
    says: ["first"],
  },
  {
    what: "a run that another process trains",
    start: "trained",
    args: ["resume", known],
    prepare: async ({ folder }) => {
      const hour = 3_600_000;
      const store = await openFolderStore(`${folder}/.pawl`);
      const lease = await takeLease(store, known, { renewMilliseconds: hour, lifeMilliseconds: hour });
      return { [Symbol.asyncDispose]: () => lease.release() };
    },
    code: "RUN_HELD",
    says: [known, `process ${process.pid}`],
    begun: "it is refused by the one that would train it, which is told of first",
  },
];
