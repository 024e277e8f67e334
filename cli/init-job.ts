/** What `pawl init` can write a trainer in. `script` is the file of `templates/<kind>/`. */
export const trainerKinds = {
  python: { script: "train.py", command: "[python3, train.py]" },
  javascript: { script: "train.mjs", command: "[node, train.mjs]" },
  shell: { script: "train.sh", command: '[sh, train.sh, "{batchSize}"]' },
  pytorch: { script: "train.py", command: "[python3, train.py]" },
} as const;

export type TrainerKind = keyof typeof trainerKinds;

/** Beside the job, so that editors find it without a network, and whoever has the folder has it too. */
export const schemaFile = "pawl.schema.json";

/** The job file: the fields that people meet first, and commented out what goes without saying. */
export const jobText = (name: string, kind: TrainerKind): string => `\
# yaml-language-server: $schema=./${schemaFile}
# A training job. 'pawl validate' checks this file, 'pawl train' trains it. Editors that know YAML schemas complete it.

# Runs are named after it: ${name}-1, ${name}-2 …
name: ${JSON.stringify(name)}

# The training command: a program and its arguments, started without a shell. {epoch}, {batchSize} and others are filled in.
command: ${trainerKinds[kind].command}

# How often the data is gone through. Each epoch that is done is committed, and counts for good.
epochs: 10

# Examples in a step of the optimizer. {start: 32, max: 2048} leaves it to Pawl, which measures what trains fastest.
batchSize: 32

# Which checkpoints are kept: the newest, and the best by a metric that the trainer reports.
checkpoint: {keep: 3, best: {metric: accuracy, mode: max}}

# When to stop before the last epoch: with a target, or when nothing has become better for some epochs.
stop: {metric: loss, mode: min, patience: 3}

# What follows is what holds without it. Remove the '#' to change it.

# The order of the data, and what else is random, follows from it.
# seed: 0

# How the learning rate follows the batch size: with scaling linear, sqrt, adascale or auto, as the optimizer wants it; a
# fixed size needs a referenceBatchSize for it. With warmUp it goes there over so many steps.
# learningRate: {warmUp: 0}

# How many epochs an attempt trains before the command is started anew: as many as there are, or a number.
# segment: auto

# What happens after a failure: each committed epoch fills the budget again.
# retry: {failuresWithoutProgress: 5, baseDelay: 1s, maxDelay: 5min}

# The trainer's environment, such as {LOG_LEVEL: info}. The journal keeps it: no secrets here.
# env: {}

# What the container gets. Acts only on AWS.
# compute: {gpus: 1, vcpus: 4, memory: 14GiB}

# There is also 'data: FOLDER', a folder beside this file, which the trainer finds in PAWL_DATA_DIR.
`;
