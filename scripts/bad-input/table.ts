import type { BadInput } from "./case.ts";
import { commandLines } from "./command-lines.ts";
import { copiesAndPruning } from "./copies.ts";
import { damaged } from "./damaged.ts";
import { diagnosing } from "./diagnosing.ts";
import { folderStores } from "./folder-stores.ts";
import { jobFields } from "./job-fields.ts";
import { jobFiles } from "./job-files.ts";
import { origins } from "./origins.ts";
import { runsAndCheckpoints } from "./runs-and-checkpoints.ts";
import { s3Stores } from "./s3-stores.ts";
import { stacks } from "./stacks.ts";

/** Everything that a person can get wrong, as far as it is known. */
export const badInputs: readonly BadInput[] = [
  ...commandLines,
  ...jobFiles,
  ...jobFields,
  ...origins,
  ...runsAndCheckpoints,
  ...copiesAndPruning,
  ...diagnosing,
  ...folderStores,
  ...s3Stores,
  ...stacks,
  ...damaged,
];
