import { join } from "node:path";
import {
  execute,
  growing,
  grown,
  holding,
  inThird,
  job,
  once,
  packed,
  refused,
  secondAttempt,
  whole,
  wordsOfValidate,
} from "./acts.ts";
import type { Scenario } from "./scenario.ts";
import { trainerFolder } from "./setting.ts";

const wrongField = { ...job("misspelt"), epochs: undefined, epoch: 4 };

/** What can happen to a run, and what must be true when it is over. The order is of no importance. */
export const scenarios: readonly Scenario[] = [
  {
    name: "a job that is pasted in the console trains a real model to the end, with what its image holds",
    lines: once(
      "calm",
      { job: job("calm", { command: ["python3", join(trainerFolder, "train.py")] }) },
      { code: "not given" },
    ),
  },
  {
    name: "a job whose container is killed goes on from its last commit",
    lines: once(
      "killed",
      { job: job("killed", holding("1:3")) },
      { ...inThird("kill the job"), ends: { failures: ["unknown"], checkpoints: secondAttempt } },
    ),
  },
  {
    name: "a run that somebody else starts while it is trained is refused to them, and goes on undisturbed",
    lines: once(
      "wanted",
      { job: job("wanted", holding("1:3")) },
      {
        ...inThird("start it twice", "kill the job"),
        ends: { failures: ["unknown"], checkpoints: secondAttempt },
      },
    ),
  },
  {
    name: "a trainer that fails twice at the same place is given up, and the execution fails with its words",
    lines: once(
      "failing",
      { job: job("failing", { env: { FAIL: "3" } }) },
      {
        ends: {
          status: "failed",
          epoch: 2,
          failures: ["user-exception", "user-exception"],
          checkpoints: ["1-1", "2-1"],
          ending: "failed twice at the same place",
        },
      },
      {
        status: "FAILED",
        error: "Pawl.user-exception",
        cause: "ValueError: the data of epoch 3 is wrong",
      },
    ),
  },
  {
    name: "a job that was changed is refused, and taken when the change is accepted",
    lines: [
      {
        run: "changed-1",
        acts: [
          packed({ job: job("changed", { epochs: 2 }) }),
          packed(
            { job: job("changed") },
            { ends: { status: "FAILED", error: "Pawl.JobChanged", cause: "epochs: 2 → 4" } },
          ),
          packed({ job: job("changed"), acceptChanges: true }),
        ],
        ends: { ...whole, generations: 2, checkpoints: secondAttempt },
      },
    ],
  },
  {
    name: "a job that is out of memory goes on with smaller micro-batches and the same batch",
    lines: once(
      "hungry",
      { job: job("hungry", holding("1:3")) },
      {
        ...inThird("out of memory"),
        ends: {
          failures: ["container-oom"],
          checkpoints: secondAttempt,
          microBatches: [16, 16, 8, 8],
        },
      },
    ),
  },
  {
    name: "a batch that grows goes on growing after it ran out of memory and was killed, and learns as well as if nothing had happened",
    amongItsLike: "growing-1",
    lines: [
      ...once(
        "growing",
        { job: growing("growing", holding("1:3", "2:4")) },
        {
          faults: [
            { at: { kind: "committed", epoch: 2 }, make: ["out of memory"] },
            { at: { kind: "committed", epoch: 3 }, make: ["kill the job"] },
          ],
          ends: { ...grown, failures: ["container-oom", "unknown"], checkpoints: ["5-3", "6-3"] },
        },
      ),
      ...[3, 4, 5, 6, 7].flatMap((seed) =>
        once(`undisturbed${seed}`, { job: growing(`undisturbed${seed}`, { seed }) }, { ends: grown }),
      ),
    ],
  },
  {
    name: "a job whose spot instance is reclaimed without a notice goes on at once",
    lines: once(
      "reclaimed",
      { job: job("reclaimed", holding("1:3")) },
      {
        ...inThird("reclaim the instance"),
        ends: { failures: ["spot-reclaim"], checkpoints: secondAttempt },
      },
    ),
  },
  {
    name: "a job whose spot instance announces its reclaim is saved in the middle of an epoch, and no example is seen twice",
    lines: once(
      "warned",
      { job: job("warned", holding("1:3:128")) },
      { ...inThird("announce a reclaim"), ends: { failures: ["spot-reclaim"], checkpoints: secondAttempt } },
    ),
  },
  {
    name: "a submission that Batch throttles is tried again until it is taken",
    alone: true,
    lines: once(
      "throttled",
      { job: job("throttled") },
      {
        throttled: 2,
        ends: {
          failures: ["batch-api-throttled", "batch-api-throttled"],
          checkpoints: ["3-3", "4-3"],
        },
      },
    ),
  },
  {
    name: "a run during which the stack is deployed again goes on, with what is deployed then",
    alone: true,
    lines: once(
      "redeployed",
      { job: job("redeployed", holding("1:3")) },
      {
        ...inThird("deploy again", "kill the job"),
        ends: { failures: ["unknown"], checkpoints: secondAttempt },
      },
    ),
  },
  {
    name: "an execution that is stopped leaves nothing running, and the run goes on when it is resumed",
    lines: [
      {
        run: "halted-1",
        acts: [
          packed(
            { job: job("halted", holding("1:3")) },
            { ...inThird("stop the execution"), ends: { status: "ABORTED" } },
          ),
          execute({ run: "halted-1" }),
        ],
        ends: { ...whole, generations: 2, failures: ["interrupted"], checkpoints: secondAttempt },
      },
    ],
  },
  {
    name: "two runs at once do not disturb each other",
    lines: [
      ...once("left", { job: job("left", { seed: 5 }) }, {}),
      ...once(
        "right",
        { job: job("right", { epochs: 3, batchSize: 24, compute: { gpus: 0 } }) },
        { ends: { epoch: 3, checkpoints: ["2-1", "3-1"], ending: "all 3 epochs" } },
      ),
    ],
  },
  {
    name: "a run of more turns than one execution has is handed over to fresh ones",
    lines: once(
      "long",
      { job: job("long", { epochs: 6, segment: 1 }) },
      {
        ends: { epoch: 6, generations: 2, checkpoints: ["5-5", "6-6"], ending: "all 6 epochs" },
      },
    ),
  },
  {
    // Half of what it may cost is kept to leave with: the third epoch ends before that is begun on, and another like it would
    // not, however long the instance took to come (up to 17 of its 40 seconds).
    name: "a run stops with a commit before its instances cost more than its budget",
    lines: once(
      "frugal",
      { job: job("frugal", { budgetUsd: 40, epochs: 6, env: { SLOW: "3:11" } }) },
      {
        ends: {
          status: "stopped",
          epoch: 3,
          checkpoints: ["2-1", "3-1"],
          ending: "budget of 40 USD",
          mostUsd: 40,
        },
      },
    ),
  },
  {
    name: "a run that somebody stops ends with what it has committed, and goes on when it is resumed",
    lines: [
      {
        run: "stopped-1",
        acts: [
          packed({ job: job("stopped", holding("1:3")) }, inThird("stop the run")),
          execute({ run: "stopped-1" }),
        ],
        ends: { ...whole, generations: 2, failures: ["interrupted"], checkpoints: secondAttempt },
      },
    ],
  },
  {
    name: "a run that is begun on a folder goes on in the bucket, and back",
    lines: [
      {
        run: "moved-1",
        acts: [
          packed(
            { job: job("moved", holding("1:3", "2:4")) },
            { where: "folder", ...inThird("stop the run") },
          ),
          { do: "copy", from: "folder", to: "stack" },
          packed(
            { run: "moved-1" },
            { faults: [{ at: { kind: "committed", epoch: 3 }, make: ["stop the run"] }] },
          ),
          { do: "copy", from: "stack", to: "folder" },
          execute({ run: "moved-1" }, { where: "folder" }),
        ],
        ends: {
          ...whole,
          generations: 3,
          failures: ["interrupted", "interrupted"],
          checkpoints: ["3-2", "4-3"],
        },
      },
    ],
  },
  {
    name: "a job with a wrong field is refused with the words of pawl validate",
    lines: refused(
      "misspelt",
      { job: wrongField },
      { status: "FAILED", error: "Pawl.JobInvalid", cause: wordsOfValidate(wrongField) },
    ),
  },
  {
    name: "an input that is neither a job nor a run is refused",
    lines: refused(
      "absent",
      { jobs: [] },
      { status: "FAILED", error: "Pawl.JobInvalid", cause: '{"job": {…}}' },
    ),
  },
  {
    name: "a run that is not there cannot be resumed",
    lines: refused(
      "absent",
      { run: "absent-1" },
      { status: "FAILED", error: "Pawl.RunNotFound", cause: "there is no run absent-1" },
    ),
  },
  {
    name: "a job for an image that the stack lacks is refused before anything is started",
    lines: refused(
      "imageless",
      { job: job("imageless", { image: "cuda" }) },
      { status: "FAILED", error: "Pawl.JobInvalid", cause: "cuda" },
    ),
  },
  {
    name: "a job that no instance of the stack can hold is refused before anything is started",
    lines: refused(
      "huge",
      { job: job("huge", { compute: { gpus: 8 } }) },
      { status: "FAILED", error: "Pawl.JobInvalid", cause: "g5.xlarge" },
    ),
  },
];
