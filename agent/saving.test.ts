import { describe, expect, it } from "vitest";
import type { SentEvent } from "../core/events.ts";
import type { PartialEpoch } from "../store/checkpoints.ts";
import { AttemptError } from "./attempt-error.ts";
import { failing } from "./testing/endings.ts";
import { type Scene, scenes } from "./testing/scene.ts";
import { learned, stepping } from "./testing/stepping.ts";

const scene = scenes();
const always = { epochEnds: "always" } as const;
const interrupted = () => new AttemptError("interrupted", "the attempt was asked to leave (SIGTERM)");

const commits = (of: Scene) =>
  of.sent.filter((event): event is Extract<SentEvent, { type: "commit" }> => event.type === "commit");
const model = async (of: Scene, name: string) =>
  JSON.stringify(JSON.parse(await of.saved(name, "model.json")));
/** What a run knows after epoch 1, to go on from. */
const afterFirst = (steps: number) => ({ "model.json": learned(1, steps) });

describe("a trainer that says its steps", () => {
  it("is saved in the middle of an epoch as the schedule says, and trains on meanwhile", async () => {
    const steps = 300;
    const it_ = await scene({ ...stepping(steps, 0.01), saving: { ...always, everySteps: 10 }, epochs: 2 });
    await it_.run();
    const middles = commits(it_).filter((commit) => commit.step !== undefined);
    expect(middles.length).toBeGreaterThan(2);
    for (const commit of middles) {
      expect(commit.checkpoint).toBe(`${commit.epoch}-2-${commit.step}`);
      expect(commit.took?.seconds).toBeGreaterThan(0);
      const manifest = await it_.manifest(commit.checkpoint ?? "");
      expect(manifest).toMatchObject({ step: commit.step, position: { taken: commit.step }, reports: [] });
      expect(manifest?.seconds).toBeGreaterThan(0);
      expect(it_.output).toContain(`saved ${commit.epoch} ${commit.step}\n`);
    }
    expect(commits(it_).map(({ epoch, step }) => [epoch, step ?? steps + 1])).toEqual(
      commits(it_)
        .map(({ epoch, step }) => [epoch, step ?? steps + 1])
        .sort(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d),
    );
    expect(await model(it_, "2-2")).toBe(learned(2, steps));
  });

  it("that is asked to leave is saved at its next step, and the next attempt goes on at that very example", async () => {
    const steps = 400;
    const first = await scene({ ...stepping(steps, 0.01), restore: afterFirst(steps) });
    const leaving = failing(first);
    await first.saying("step 2 40");
    first.departure.ask(interrupted(), 30);
    const error = await leaving;
    const [commit] = commits(first);
    expect(commits(first)).toHaveLength(1);
    expect(error).toMatchObject({
      result: "interrupted",
      message: `the attempt was asked to leave (SIGTERM): saved epoch 2, step ${commit?.step}, and left`,
    });
    const name = commit?.checkpoint ?? "";
    const manifest = await first.manifest(name);
    const { step = 0, position = null, seconds = 0 } = manifest ?? {};
    expect(step).toBeLessThan(steps);
    // Nothing was trained after it.
    expect(first.output).not.toContain(`saved 2 ${step}`);

    const second = await scene({
      ...stepping(steps, 0),
      restore: { "model.json": await first.saved(name, "model.json") },
      partial: { step, position, seconds },
    });
    await second.run();
    expect(second.output).toContain(`restored 1 ${step}\nbegin 2 at ${step}\n`);
    expect(await model(second, "3-2")).toBe(learned(3, steps));
  });
});

describe("a trainer with the helper that says its steps", () => {
  const train = `
import json, sys, time, pawl
folder = pawl.restored()
seen = json.loads((folder / "seen.json").read_text()) if folder else {}
def save(into): (into / "seen.json").write_text(json.dumps(seen))
for epoch in pawl.epochs(save=save):
    order = epoch.order(1500)
    taken = epoch.position or 0
    print("begin", epoch.number, "at", taken, flush=True)
    while taken < len(order):
        seen.setdefault(str(epoch.number), []).append(order[taken])
        taken += 1
        time.sleep(float(sys.argv[1]))
        if epoch.step(position=taken): print("saved", flush=True)
        if epoch.steps % 50 == 0: print("passed", epoch.steps, flush=True)
    epoch.report(examples=taken)
    epoch.checkpoint()
`;
  const trainer = (seconds: number) => ({
    command: ["python3", "train.py", String(seconds)],
    files: { "train.py": train },
  });
  const epochs = ({ "seen.json": text = "" }: Record<string, string>): [string, number][] =>
    Object.entries(JSON.parse(text)).map(([epoch, seen]) => [
      epoch,
      Array.isArray(seen) ? new Set(seen).size : 0,
    ]);

  it("sees each example once in each epoch, however often it is interrupted, and ends as if it never was", async () => {
    const calm = await scene({ ...trainer(0), restore: { "seen.json": "{}" }, epochs: 2 });
    await calm.run();
    let files = { "seen.json": "{}" };
    let partial: PartialEpoch | undefined;
    for (let i = 0; i < 3; i += 1) {
      const it_ = await scene({ ...trainer(0.005), restore: files, ...(partial && { partial }), epochs: 2 });
      const leaving = failing(it_);
      const from = partial?.step ?? 0;
      await it_.saying(`passed ${from + 100 - (from % 50)}\n`);
      it_.departure.ask(interrupted(), 30);
      await leaving;
      const name = commits(it_)[0]?.checkpoint ?? "";
      files = { "seen.json": await it_.saved(name, "seen.json") };
      const { step = 0, position = null, seconds = 0 } = (await it_.manifest(name)) ?? {};
      expect(step).toBeGreaterThan(partial?.step ?? 0);
      expect(position).toBe(step);
      partial = { step, position, seconds };
    }
    const last = await scene({ ...trainer(0), restore: files, ...(partial && { partial }), epochs: 2 });
    await last.run();
    expect(last.output).toContain(`begin 2 at ${partial?.step}\n`);
    const text = await last.saved("3-2", "seen.json");
    expect(text).toBe(await calm.saved("3-2", "seen.json"));
    expect(epochs({ "seen.json": text })).toEqual([
      ["2", 1500],
      ["3", 1500],
    ]);
  });
});

describe("ends of epochs that share a checkpoint", () => {
  const rarely = { epochEnds: "when-due", everySeconds: 1000 } as const;
  const skipping = (more = {}) => scene({ ...stepping(5, 0), saving: rarely, epochs: 3, ...more });

  it("are skipped until one is due, and the last is always saved, with the reports of all", async () => {
    const it_ = await skipping({ job: { epochs: 3 } });
    await it_.run();
    expect(commits(it_)).toMatchObject([{ epoch: 3, checkpoint: "3-2" }]);
    expect((await it_.manifest("3-2"))?.reports.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(await model(it_, "3-2")).toBe(learned(3, 5));
  });

  it("are saved where a segment ends, and where Review says that nothing comes after it", async () => {
    const segment = await skipping({ job: { segment: 2 }, epochs: 2 });
    await segment.run();
    expect(commits(segment)).toMatchObject([{ epoch: 2 }]);
    const finished = await skipping({ epochs: 3 });
    await finished.run();
    expect(commits(finished)).toMatchObject([{ epoch: 3 }]);
  });

  it("are saved at once where the checkpoint comes before a report that could end the run", async () => {
    const first = 'ask(type="report", epoch=epoch, metrics={"loss": 1 / epoch}, examples=taken)';
    const then = 'save(epoch, ask(type="checkpoint", epoch=epoch))';
    const { command, files } = stepping(5, 0);
    const swapped = files["stepping.py"].replace(first, "#").replace(then, `${then}\n    ${first}`);
    const trainer = { command, files: { "stepping.py": swapped } };
    const stop = { metric: "loss", mode: "min", patience: 9 } as const;
    const mayStop = await skipping({ ...trainer, job: { stop } });
    await mayStop.run();
    expect(commits(mayStop).map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    const cannot = await skipping({ ...trainer, job: { epochs: 3 } });
    await cannot.run();
    expect(commits(cannot).map(({ epoch }) => epoch)).toEqual([3]);
  });

  it("are saved where the middle was, since only whole epochs can be gone back to", async () => {
    const saving = { epochEnds: "when-due", everySteps: 25 } as const;
    const it_ = await scene({ ...stepping(60, 0.005), saving, epochs: 2, job: { epochs: 4 } });
    await it_.run();
    const saved = commits(it_);
    expect(saved.some(({ epoch, step }) => epoch === 1 && step !== undefined)).toBe(true);
    expect(saved).toContainEqual(expect.objectContaining({ epoch: 1, checkpoint: "1-2" }));
  });

  it("that nobody knew to be the last are told of as not saved, and are no fault of the trainer", async () => {
    const first = 'ask(type="report", epoch=epoch, metrics={"loss": 1 / epoch}, examples=taken)';
    const then = 'save(epoch, ask(type="checkpoint", epoch=epoch))';
    const { command, files } = stepping(5, 0);
    const swapped = files["stepping.py"].replace(first, "#").replace(then, `${then}\n    ${first}`);
    const it_ = await skipping({ command, files: { "stepping.py": swapped }, job: { epochs: 9 }, epochs: 2 });
    expect(await failing(it_)).toMatchObject({
      result: "interrupted",
      message: expect.stringContaining("the last 2 epochs are in no checkpoint"),
    });
  });

  it("are at most 50, so that reports that wait are bounded", async () => {
    const it_ = await skipping({ ...stepping(1, 0), epochs: 120, job: { epochs: 120 } });
    await it_.run();
    expect(commits(it_).map(({ epoch }) => epoch)).toEqual([50, 100, 120]);
    expect((await it_.manifest("100-2"))?.reports).toHaveLength(50);
  });

  it("are saved as Review says after a commit", async () => {
    const it_ = await scene({
      ...stepping(5, 0),
      epochs: 4,
      job: { epochs: 4 },
      answer: (event) =>
        event.type === "commit"
          ? { action: "committed", sequence: 9, remove: [], saving: rarely }
          : undefined,
    });
    await it_.run();
    // The second may be saved before the first is committed; the third is not begun before.
    const saved = commits(it_).map(({ epoch }) => epoch);
    expect(saved.filter((epoch) => epoch !== 2)).toEqual([1, 4]);
  });

  it("of a plain command are shared too, and nothing is copied for one that is skipped", async () => {
    const grow = 'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"; ls ../saves';
    const it_ = await scene({ command: ["sh", "-c", grow], saving: rarely, epochs: 3, job: { epochs: 3 } });
    await it_.run();
    expect(commits(it_)).toMatchObject([{ epoch: 3, took: { seconds: expect.any(Number) } }]);
    expect(await it_.saved("3-2", "model.txt")).toBe("epoch 1\nepoch 2\nepoch 3\n");
    expect(it_.output).toBe("");
  });
});

describe("a save", () => {
  it("in the middle of an epoch has the reports of the epochs before it that none has", async () => {
    const saving = { epochEnds: "when-due", everySteps: 25 } as const;
    const it_ = await scene({ ...stepping(10, 0.01), saving, epochs: 4, job: { epochs: 4 } });
    await it_.run();
    const first = commits(it_)[0];
    expect(first).toMatchObject({ epoch: 3, step: 5 });
    expect((await it_.manifest("3-2-5"))?.reports.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(await model(it_, "4-2")).toBe(learned(4, 10));
  });

  it("is not begun on schedule while another one is on its way", async () => {
    const gate = Promise.withResolvers<void>();
    const it_ = await scene({
      ...stepping(100, 0.005),
      saving: { epochEnds: "always", everySteps: 5 },
      epochs: 1,
      answer: async (event) => {
        if (event.type === "commit") await gate.promise;
        return undefined;
      },
    });
    const running = it_.run();
    await it_.saying("step 1 80");
    expect(it_.output.match(/saving/g)).toHaveLength(1);
    gate.resolve();
    await running;
    expect(commits(it_).at(-1)).toMatchObject({ epoch: 1 });
    expect(await model(it_, "1-2")).toBe(learned(1, 100));
  });

  it("is measured: for how long training stood still, and until it was durable", async () => {
    const saving = { epochEnds: "always", everySteps: 5 } as const;
    const it_ = await scene({ ...stepping(8, 0, 0.3), saving, epochs: 1 });
    await it_.run();
    expect(commits(it_)).toHaveLength(2);
    for (const { took } of commits(it_)) {
      expect(took?.pauseSeconds).toBeGreaterThanOrEqual(0.3);
      expect(took?.seconds).toBeGreaterThan(took?.pauseSeconds ?? Number.POSITIVE_INFINITY);
    }
  });

  it("of an epoch that Review finds useless is never made", async () => {
    const it_ = await scene({
      ...stepping(5, 0),
      epochs: 5,
      answer: (event) =>
        event.type === "report" && event.report.epoch === 2
          ? { action: "fail", sequence: 4, class: "numeric", reason: "loss is NaN" }
          : undefined,
    });
    expect(await failing(it_)).toMatchObject({ result: "numeric", message: "loss is NaN" });
    expect(commits(it_)).toMatchObject([{ epoch: 1 }]);
    expect(await it_.manifest("2-2")).toBeUndefined();
  });
});

describe("a checkpoint from the middle of an epoch", () => {
  const partial = { step: 3, position: { taken: 3 }, seconds: 100 };

  it("makes the rest of that epoch's time the whole of it", async () => {
    const it_ = await scene({ ...stepping(5, 0), restore: afterFirst(5), partial, epochs: 1 });
    await it_.run();
    const { seconds = 0 } = (await it_.manifest("2-2"))?.reports[0] ?? {};
    expect(seconds).toBeGreaterThan(100);
    expect(seconds).toBeLessThan(110);
  });

  it("is of no use to a plain command, which says so", async () => {
    const it_ = await scene({ command: ["true"], restore: afterFirst(5), partial });
    const error = await failing(it_);
    expect(error).toMatchObject({ result: "user-exception", more: { retryable: false } });
    expect(error.message).toContain("the middle of epoch 2, after step 3");
    expect(it_.happened).toEqual(["started"]);
  });
});
