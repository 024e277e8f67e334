import { type BadInput, jobText, type WrongField } from "./case.ts";
import { wrongPolicies } from "./policy-fields.ts";

const wrongFields: readonly WrongField[] = [
  { what: "no command", more: { command: undefined }, says: ["command is missing"] },
  { what: "no name", more: { name: undefined }, says: ["name is missing"] },
  { what: "no epochs", more: { epochs: undefined }, says: ["epochs is missing"] },
  {
    what: "a command that is a text",
    more: { command: "python3 train.py" },
    says: ["command must be a list such as [python3, train.py]", 'it is "python3 train.py"'],
  },
  {
    what: "a command with a pipe",
    more: { command: '"python3 train.py | tee log"' },
    says: ['command must be a list such as [sh, -c, "python3 train.py | tee log"]'],
  },
  { what: "an empty command", more: { command: "[]" }, says: ["command must name a program", "[]"] },
  { what: "a program without a name", more: { command: '["", x]' }, says: ["command"] },
  {
    what: "a NUL in the command",
    more: { command: '[sh, "a\\0b"]' },
    says: ["command[1] must not hold a NUL"],
  },
  {
    what: "a number in the command",
    more: { command: "[sh, 5]" },
    says: ['command[1] must be a text such as "5"; it is 5'],
  },
  { what: "epochs that are a text", more: { epochs: '"3"' }, says: ['epochs must be a number; it is "3"'] },
  { what: "half an epoch", more: { epochs: "1.5" }, says: ["epochs must be a whole number; it is 1.5"] },
  { what: "no epoch", more: { epochs: "0" }, says: ["epochs must be at least 1; it is 0"] },
  {
    what: "too many epochs",
    more: { epochs: "1000000000" },
    says: ["epochs must be at most 999999999", "1000000000"],
  },
  { what: "epochs that are no number", more: { epochs: ".nan" }, says: ["epochs must be a number"] },
  { what: "a batch size of 0", more: { batchSize: "0" }, says: ["batchSize must be at least 1; it is 0"] },
  {
    what: "an unknown policy",
    more: { batchSize: "{policy: pollux}" },
    says: ["batchSize.policy must be one of fixed, schedule, plateau", '"pollux"'],
  },
  {
    what: "a batch size's bounds the wrong way round",
    more: { batchSize: "{min: 64, max: 32}" },
    says: ["batchSize.max must be at least 64, which is min; it is 32"],
  },
  {
    what: "a plateau of a metric without a direction",
    more: { batchSize: "{policy: plateau, metric: accuracy}" },
    says: ['batchSize.mode is missing: give min or max, for whether less or more of "accuracy" is better'],
  },
  {
    what: "a multiple that the bounds do not have",
    more: { batchSize: "{min: 50, max: 90, multipleOf: 48}" },
    says: ["batchSize.multipleOf must have a multiple from 50 to 90 (min to max); it is 48"],
  },
  {
    what: "a batch size that is no multiple",
    more: { batchSize: "{start: 60, multipleOf: 8}" },
    says: ["batchSize.start must be a multiple of 8 (multipleOf); it is 60"],
  },
  {
    what: "a bound below the micro-batch",
    more: { batchSize: "{start: 16, max: 64}", microBatchSize: "32" },
    says: ["microBatchSize must be at most 16, which is the smallest batch size; it is 32"],
  },
  {
    what: "a schedule that begins too late",
    more: { batchSize: "{policy: schedule, steps: [{fromEpoch: 2, size: 8}]}" },
    says: ["batchSize.steps must begin with fromEpoch: 1"],
  },
  {
    what: "a misspelt field",
    more: { epoch: "3" },
    says: ["epoch is not a known field; did you mean epochs?"],
  },
  {
    what: "a field that nobody knows",
    more: { flavour: "3" },
    says: ["flavour is not a known field; known here: name"],
  },
  {
    what: "a misspelt field inside another",
    more: { checkpoint: "{best: {metric: loss, mod: min}}" },
    says: ["checkpoint.best.mod is not a known field; did you mean mode?", "checkpoint.best.mode is missing"],
  },
  {
    what: "a misspelt word",
    more: { stop: "{metric: loss, mode: mim}" },
    says: ["stop.mode must be one of min, max (did you mean min?)", '"mim"'],
  },
  {
    what: "a stop that never stops",
    more: { stop: "{metric: loss, mode: min}" },
    says: ["stop.target is missing: give target or patience"],
  },
  {
    what: "no checkpoint kept",
    more: { checkpoint: "{keep: 0}" },
    says: ["checkpoint.keep must be at least 1; it is 0"],
  },
  {
    what: "a checkpoint that is a word",
    more: { checkpoint: "never" },
    says: ["checkpoint must be none", '"never"'],
  },
  {
    what: "a scaling without a batch size",
    more: { learningRate: "{scaling: linear, referenceBatchSize: 8}" },
    says: ["learningRate.scaling 'linear' follows the batch size: give batchSize too"],
  },
  {
    what: "a scaling without a reference",
    more: { batchSize: "8", learningRate: "{scaling: sqrt}" },
    says: ["learningRate.referenceBatchSize is needed"],
  },
  {
    what: "a placeholder without a value",
    more: { command: '[train, "{batchSize}"]' },
    says: ["command[1] {batchSize} has no value: give batchSize too"],
  },
  {
    what: "a misspelt placeholder",
    more: { command: '[train, "{batchSzie}"]', batchSize: "8" },
    says: ["command[1] {batchSzie}: did you mean {batchSize}?"],
  },
  {
    what: "a placeholder in capitals",
    more: { command: '[train, "{EPOCH}"]' },
    says: ["command[1] {EPOCH}: did you mean {epoch}?"],
  },
  {
    what: "a wrong unit of time",
    more: { retry: "{baseDelay: 5 minutes}" },
    says: ["retry.baseDelay must be a duration such as 30s", '"5 minutes"'],
  },
  {
    what: "a delay longer than the longest",
    more: { retry: "{baseDelay: 1h, maxDelay: 1min}" },
    says: ["retry.baseDelay must not be longer than maxDelay"],
  },
  {
    what: "a wrong unit of memory",
    more: { compute: "{memory: 14GB}" },
    says: ["compute.memory must be a size such as 512MiB", '"14GB"'],
  },
  {
    what: "more GPUs than there are",
    more: { compute: "{gpus: 64}" },
    says: ["compute.gpus must be at most 16", "64"],
  },
  {
    what: "a variable of Pawl's own",
    more: { env: '{PAWL_EPOCH: "1"}' },
    says: ["env.PAWL_EPOCH", "names that begin with PAWL_ are Pawl's own"],
  },
  {
    what: "a variable's name that is none",
    more: { env: '{"a-b": "1"}' },
    says: ["env.a-b", "must be letters, digits and '_'"],
  },
  {
    what: "a variable that is a number",
    more: { env: "{WORKERS: 4}" },
    says: ['env.WORKERS must be a text such as "4"; it is 4'],
  },
  { what: "a seed below 0", more: { seed: "-1" }, says: ["seed must be at least 0; it is -1"] },
  { what: "a segment of no epoch", more: { segment: "0" }, says: ["segment must be at least 1", "0"] },
  ...["../x", "a b", "''", "x".repeat(61), "ä", '"a\\nb"'].map((name) => ({
    what: `the name ${name.length > 60 ? "of 61 letters" : name}`,
    more: { name },
    says: ["name must be 1 to 60 letters"],
  })),
  ...["../x", "/etc", "a/../../b"].map((data) => ({
    what: `data at ${data}`,
    more: { data },
    says: ["data must be a path inside the job file's folder", JSON.stringify(data)],
  })),
  {
    what: "data that is not there",
    more: { data: "nowhere" },
    says: ["data", '"nowhere"', "is not a folder"],
  },
  {
    what: "data that is a file",
    more: { data: "pawl.yaml" },
    says: ["data", '"pawl.yaml"', "is not a folder"],
  },
  ...wrongPolicies,
  {
    what: "many things at once",
    more: { epochs: "0", seed: "-1", nme: "x" },
    says: ["epochs must", "seed must", "nme is not", "pawl.yaml:3:9: "],
  },
];

export const jobFields: readonly BadInput[] = wrongFields.map(({ what, more, says }, index) => ({
  what: `a job with ${what}`,
  // Both read the file the same way; that they refuse it the same way is a test of its own.
  args: [index % 2 === 0 ? "train" : "validate"],
  files: { "pawl.yaml": jobText(more) },
  modes: ["json"],
  code: "JOB_INVALID",
  says: ["pawl.yaml is not a valid job", ...says],
}));
