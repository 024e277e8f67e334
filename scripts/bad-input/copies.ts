import type { BadInput } from "./case.ts";

const known = "count-1";

/** What moves or removes runs. */
export const copiesAndPruning: readonly BadInput[] = [
  {
    what: "a copy from nowhere",
    start: "trained",
    args: ["copy", known, "--to", "there"],
    code: "USAGE",
    says: ["--from"],
  },
  {
    what: "a copy to nowhere",
    start: "trained",
    args: ["copy", known, "--from", ".pawl"],
    code: "USAGE",
    says: ["--to"],
  },
  {
    what: "a copy into the same store",
    start: "trained",
    args: ["copy", known, "--from", ".pawl", "--to", "FOLDER/.pawl"],
    code: "USAGE",
    says: ["same store", ".pawl"],
  },
  {
    what: "a copy of a run that is not there",
    start: "trained",
    args: ["copy", "count-7", "--from", ".pawl", "--to", "there"],
    code: "RUN_NOT_FOUND",
    says: ["count-7", `it holds ${known}`],
  },
  {
    what: "a copy from a store that is not there",
    start: "trained",
    args: ["copy", known, "--from", "nowhere", "--to", "there"],
    code: "RUN_NOT_FOUND",
    says: [known, "nowhere"],
  },
  {
    what: "a copy into a file",
    start: "trained",
    args: ["copy", known, "--from", ".pawl", "--to", "count.sh"],
    code: "STORE_UNWRITABLE",
    says: ["count.sh", "a file is where a folder should be"],
  },
  {
    what: "a copy into a store of an unknown kind",
    start: "trained",
    args: ["copy", known, "--from", ".pawl", "--to", "ftp://there"],
    code: "STORE_ADDRESS",
    says: ["ftp:", "no store has"],
  },
  {
    what: "pruning whole runs of any age",
    start: "trained",
    args: ["prune", "--whole-runs", "--yes"],
    code: "USAGE",
    says: ["--whole-runs needs --older-than"],
  },
  {
    what: "pruning by a state without --whole-runs",
    start: "trained",
    args: ["prune", "--state", "failed", "--yes"],
    code: "USAGE",
    says: ["--state", "--whole-runs"],
  },
  {
    what: "pruning runs that are being trained",
    start: "trained",
    args: ["prune", known, "--whole-runs", "--state", "training", "--yes"],
    code: "USAGE",
    says: ["--state training", "finished"],
  },
  {
    what: "pruning by an age that is no time",
    start: "trained",
    args: ["prune", "--whole-runs", "--older-than", "ages", "--yes"],
    code: "USAGE",
    says: ["--older-than ages", "30d"],
  },
  {
    what: "pruning a store that is not there",
    args: ["prune", "--store", "nowhere", "--yes"],
    code: "STORE_NOT_FOUND",
    says: ["nowhere"],
  },
];
