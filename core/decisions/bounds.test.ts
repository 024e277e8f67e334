import { describe, expect, it } from "vitest";
import type { TrainingJobInput } from "../job.ts";
import type { Measured } from "../measured.ts";
import { mostStateBytes } from "../testing/audit.ts";
import {
  aCheckpoint,
  aJob,
  aReport,
  aStretch,
  commits,
  failed,
  measuredOf,
  opens,
  reported,
  started,
} from "../testing/events.ts";
import { ModelJournal } from "../testing/model-journal.ts";

interface Sizes {
  /** The longest state of each hundred epochs, in bytes of JSON. */
  readonly ofHundreds: number[];
  readonly dropped: number;
}

/** Sizes up and down, on machines of ever other types. */
function muchMeasured(epoch: number) {
  const size = (each: number) => 8 * 2 ** ((epoch + each) % 9);
  const memory = { peakBytes: 4_123_456_789, totalBytes: 16_106_127_360 };
  const stretches = [0, 1, 2, 3].map((each) => aStretch(size(each), 1_234_567, { memory }));
  return measuredOf(stretches, {
    machine: `machine-${Math.ceil(epoch / 20) % 6}.24xlarge`,
    optimizer: "AdamW",
  });
}

/** Trains so many epochs, one failure and one damaged checkpoint now and then among them. */
function trainLong(
  job: Partial<TrainingJobInput>,
  epochs: number,
  removes: boolean,
  measured?: (epoch: number) => Measured,
): Sizes {
  const journal = new ModelJournal();
  const ofHundreds = Array.from({ length: Math.ceil(epochs / 100) }, () => 0);
  let attempt = 1;
  let removed: readonly string[] = [];
  const submit = (event: Parameters<ModelJournal["submit"]>[0]) => {
    const { decision } = journal.submit(event);
    if (!decision.changed)
      throw new Error(`${event.type} changed nothing: ${JSON.stringify(decision.reply)}`);
    const hundred = Math.floor(Math.max(0, decision.state.progress.epoch - 1) / 100);
    ofHundreds[hundred] = Math.max(ofHundreds[hundred] ?? 0, JSON.stringify(decision.state).length);
    return decision.reply;
  };
  submit(opens("first", { job: aJob({ epochs, ...job }) }));
  submit(started(attempt));
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    const plain = aReport(epoch, { accuracy: 1 - 1 / epoch, loss: 1 / epoch, perplexity: "NaN" });
    const report = measured === undefined ? plain : { ...plain, measured: measured(epoch) };
    const first = journal.head?.state.kept[0]?.name;
    submit(reported(attempt, report));
    const reply = submit(
      commits(aCheckpoint(attempt, [report], first === undefined ? [] : [first]), removed),
    );
    removed = removes && reply.action === "committed" ? reply.remove : [];
    if (epoch % 37 === 0 && epoch < epochs) {
      submit(failed(attempt, "spot-reclaim"));
      attempt += 1;
      submit(started(attempt));
    }
  }
  return { ofHundreds, dropped: journal.head?.state.dropped.length ?? 0 };
}

const best = { metric: "accuracy", mode: "max" as const };

describe("the state of a run", () => {
  it("does not grow with the number of epochs", () => {
    const { ofHundreds } = trainLong({ checkpoint: { keep: 3, best } }, 2000, true);
    expect(Math.max(...ofHundreds)).toBeLessThan(mostStateBytes / 2);
    // Numbers become longer by a digit here and there; nothing else may.
    expect(ofHundreds.at(-1)).toBeLessThan((ofHundreds[1] ?? 0) * 1.1);
  });

  it("stays bounded however much is learnt of the batch size, with many checkpoints", () => {
    const batchSize = { policy: "goodput" as const, start: 8, max: 2048 };
    const { ofHundreds } = trainLong({ checkpoint: { keep: 10, best }, batchSize }, 600, true, muchMeasured);
    expect(Math.max(...ofHundreds)).toBeLessThan(mostStateBytes);
    expect(ofHundreds.at(-1)).toBeLessThan((ofHundreds[3] ?? 0) * 1.1);
    expect(ofHundreds[0]).toBeGreaterThan(10_000);
  });

  it("stays bounded where nobody ever removes what is dropped", () => {
    const { ofHundreds, dropped } = trainLong({ checkpoint: { keep: 10, best } }, 700, false);
    expect(dropped).toBe(200);
    expect(Math.max(...ofHundreds)).toBeLessThan(mostStateBytes);
    expect(ofHundreds.at(-1)).toBeLessThan((ofHundreds[3] ?? 0) * 1.1);
  });
});
