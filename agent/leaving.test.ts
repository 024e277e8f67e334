import { describe, expect, it } from "vitest";
import type { SentEvent } from "../core/events.ts";
import { storeVariant } from "../store/testing/store-variant.ts";
import { AttemptError } from "./attempt-error.ts";
import { failing } from "./testing/endings.ts";
import { lives, type Scene, scenes } from "./testing/scene.ts";
import { learned, stepping } from "./testing/stepping.ts";

const scene = scenes();
const notice = () => new AttemptError("spot-reclaim", "spot notice for i-0ab");
const rarely = { epochEnds: "when-due", everySeconds: 1000 } as const;
const costing = (seconds: number) => ({ pauseSeconds: 1, seconds, worstSeconds: seconds, saves: 3 });

const commits = (of: Scene) =>
  of.sent.filter((event): event is Extract<SentEvent, { type: "commit" }> => event.type === "commit");

describe("an attempt whose machine is to be reclaimed", () => {
  it("saves what it has, and says so", async () => {
    const it_ = await scene({ ...stepping(2000, 0.01), saving: { ...rarely, cost: costing(3) } });
    const leaving = failing(it_);
    await it_.saying("step 1 40");
    it_.departure.ask(notice(), 100);
    const error = await leaving;
    expect(commits(it_)).toMatchObject([{ epoch: 1, step: expect.any(Number) }]);
    expect(error).toMatchObject({
      result: "spot-reclaim",
      message: `spot notice for i-0ab: saved epoch 1, step ${commits(it_)[0]?.step}, and left`,
    });
  });

  it("begins no save that cannot be done in time, and says why", async () => {
    const it_ = await scene({ ...stepping(2000, 0.01), saving: { ...rarely, cost: costing(300) } });
    const leaving = failing(it_);
    await it_.saying("step 1 40");
    it_.departure.ask(notice(), 100);
    expect(await leaving).toMatchObject({
      result: "spot-reclaim",
      message: "spot notice for i-0ab; left without saving: a save takes 300 s, and 100 s were left",
    });
    expect(it_.output).not.toContain("saving");
    expect(it_.happened).toEqual(["started"]);
  });

  it("finishes a save that is under way, and trains no further", async () => {
    const it_ = await scene({ ...stepping(400, 0.01, 1), saving: { epochEnds: "always", everySteps: 50 } });
    const leaving = failing(it_);
    await it_.saying("saving 1 50");
    it_.departure.ask(notice(), 100);
    expect((await leaving).message).toBe("spot notice for i-0ab: saved epoch 1, step 50, and left");
    expect(it_.happened).toEqual(["started", "commit 1 step 50"]);
  });

  it("does not save a second time while it waits for an upload, where there may not be time for two", async () => {
    const gate = Promise.withResolvers<void>();
    const it_ = await scene({
      ...stepping(2000, 0.01),
      saving: { ...rarely, everySteps: 50, cost: costing(20) },
      answer: async (event) => {
        if (event.type === "commit" && event.step === 50) await gate.promise;
        return undefined;
      },
    });
    const leaving = failing(it_);
    await it_.saying("saved 1 50");
    it_.departure.ask(notice(), 30);
    await it_.saying("step 1 200");
    expect(it_.output.match(/saving/g)).toHaveLength(1);
    gate.resolve();
    const { message } = await leaving;
    expect(commits(it_)).toHaveLength(2);
    expect(message).toContain(`saved epoch 1, step ${commits(it_)[1]?.step}`);
  });

  it("takes the end of an epoch where that comes first, with the reports of all before it", async () => {
    const it_ = await scene({ ...stepping(30, 0.01), saving: rarely, epochs: 500, job: { epochs: 500 } });
    // Only an end can be saved.
    const deaf = it_.source;
    const { readFile, writeFile } = await import("node:fs/promises");
    const script = await readFile(`${deaf}/stepping.py`, "utf8");
    await writeFile(`${deaf}/stepping.py`, script.replace("canSave=True", "canSave=False"));
    const leaving = failing(it_);
    await it_.saying("begin 3");
    it_.departure.ask(notice(), 100);
    const { message } = await leaving;
    const [commit] = commits(it_);
    expect(commits(it_)).toHaveLength(1);
    expect(message).toBe(`spot notice for i-0ab: saved epoch ${commit?.epoch}, and left`);
    expect((await it_.manifest(`${commit?.epoch}-2`))?.reports).toHaveLength(commit?.epoch ?? 0);
  });

  it("leaves at once when it is asked to a second time without time", async () => {
    const it_ = await scene({ ...stepping(2000, 0.01, 600), saving: rarely });
    const leaving = failing(it_);
    await it_.saying("step 1 40");
    it_.departure.ask(notice(), 100);
    await it_.saying("saving");
    it_.departure.ask(new AttemptError("interrupted", "again"));
    expect(await leaving).toMatchObject({ result: "spot-reclaim", message: "spot notice for i-0ab" });
    expect(commits(it_)).toEqual([]);
  });

  it("leaves a save that takes longer than there is time, with enough left to say so", async () => {
    const it_ = await scene({ ...stepping(2000, 0.01, 600), saving: rarely });
    const leaving = failing(it_);
    await it_.saying("step 1 40");
    it_.departure.ask(notice(), 15);
    expect(await leaving).toMatchObject({ result: "spot-reclaim" });
    expect(it_.output).toContain("saving 1");
    expect(it_.departure.secondsLeft).toBeGreaterThan(2);
    expect(commits(it_)).toEqual([]);
  });
});

describe("a failure of an attempt that is leaving", () => {
  it("is the machine's, which is taken away, and said besides", async () => {
    const it_ = await scene({
      ...stepping(2000, 0.01),
      saving: rarely,
      answer: ({ type }) => {
        if (type === "commit") throw new AttemptError("store-failed", "no decision today");
        return undefined;
      },
    });
    const leaving = failing(it_);
    await it_.saying("step 1 40");
    it_.departure.ask(notice(), 100);
    expect(await leaving).toMatchObject({
      result: "spot-reclaim",
      message: "spot notice for i-0ab; meanwhile: no decision today",
    });
  });

  it("is its own where it came first", async () => {
    const gate = Promise.withResolvers<void>();
    const it_ = await scene({
      command: ["sh", "-c", 'echo x >> "$PAWL_CHECKPOINT_DIR/model"; [ $PAWL_EPOCH = 1 ] || exit 3'],
      answer: async ({ type }) => {
        if (type === "commit") await gate.promise;
        return undefined;
      },
    });
    const ended = failing(it_);
    await expect.poll(() => it_.trainers).toHaveLength(2);
    while (await lives(it_.trainers[1] ?? 0)) await new Promise((resolve) => setTimeout(resolve, 5));
    // It waits for its commit now.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    it_.departure.ask(notice(), 100);
    gate.resolve();
    expect((await ended).result).toBe("user-exception");
    expect(it_.happened).toContain("commit 1");
  });
});

describe("an attempt that leaves while it uploads", () => {
  it("uses the time that there is, where nothing else can be saved", async () => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const train = 'echo x >> "$PAWL_CHECKPOINT_DIR/model"; [ $PAWL_EPOCH = 2 ] && sleep 600; true';
    const it_ = await scene({ command: ["sh", "-c", train] });
    const { store } = it_;
    it_.store = storeVariant(store, {
      create: async (key, ...rest) => {
        if (key.endsWith("1-2/model")) {
          begun.resolve();
          await gate.promise;
        }
        return await store.create(key, ...rest);
      },
    });
    const leaving = failing(it_);
    await begun.promise;
    it_.departure.ask(notice(), 100);
    setTimeout(() => gate.resolve(), 16_000);
    expect(await leaving).toMatchObject({ result: "spot-reclaim" });
    expect(it_.happened).toEqual(["started", "report 1", "commit 1"]);
  }, 40_000);
});

describe("an attempt whose machine is likelier than others to be reclaimed", () => {
  it("saves once, and trains on to the end", async () => {
    const it_ = await scene({ ...stepping(400, 0.01), saving: rarely, epochs: 2, job: { epochs: 2 } });
    const running = it_.run();
    await it_.saying("step 1 40");
    it_.departure.recommendSaving();
    await running;
    expect(commits(it_)).toMatchObject([{ epoch: 1, step: expect.any(Number) }, { epoch: 2 }]);
    expect(await it_.saved("2-2", "model.json").then(JSON.parse)).toEqual(JSON.parse(learned(2, 400)));
  });

  it("saves at the next end of an epoch, where it cannot earlier", async () => {
    const grow =
      'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"; echo ended $PAWL_EPOCH; sleep 0.1';
    const it_ = await scene({ command: ["sh", "-c", grow], saving: rarely, epochs: 4, job: { epochs: 4 } });
    const running = it_.run();
    await it_.saying("ended 1");
    it_.departure.recommendSaving();
    await running;
    expect(commits(it_)).toHaveLength(2);
    expect(commits(it_)[0]?.epoch).toBeLessThan(4);
  });
});

describe("a plain command that is asked to leave", () => {
  const grow = 'echo "epoch $PAWL_EPOCH" >> "$PAWL_CHECKPOINT_DIR/model.txt"; echo in $PAWL_EPOCH;';
  const interrupted = () => new AttemptError("interrupted", "asked to leave");

  it("ends its epoch where that fits and earlier ones are not saved yet", async () => {
    const it_ = await scene({
      command: ["sh", "-c", `${grow} sleep 0.5`],
      saving: { ...rarely, cost: costing(1) },
      epochs: 50,
      job: { epochs: 50 },
    });
    const leaving = failing(it_);
    await it_.saying("in 3");
    it_.departure.ask(interrupted(), 30);
    expect((await leaving).message).toBe("asked to leave: saved epoch 3, and left");
    expect(commits(it_)).toMatchObject([{ epoch: 3 }]);
    expect(await it_.saved("3-2", "model.txt")).toBe("epoch 1\nepoch 2\nepoch 3\n");
    expect(it_.trainers).toHaveLength(3);
  });

  it("does not wait for an epoch that would not end in time", async () => {
    const it_ = await scene({
      command: ["sh", "-c", `${grow} [ $PAWL_EPOCH = 1 ] && sleep 1 || sleep 600`],
      saving: { ...rarely, cost: costing(29.5) },
      epochs: 50,
      job: { epochs: 50 },
    });
    const leaving = failing(it_);
    await it_.saying("in 2");
    it_.departure.ask(interrupted(), 35);
    expect(await leaving).toMatchObject({ result: "interrupted" });
    expect(commits(it_)).toEqual([]);
    expect(it_.departure.secondsLeft).toBeGreaterThan(25);
  });
});

describe("an attempt that is no longer live", () => {
  it.each([
    ["report", "2-2"],
    ["commit", "2-2"],
  ] as const)("and is told so at a %s saves nothing more, whatever was on its way", async (type, name) => {
    const gate = Promise.withResolvers<void>();
    const uploading = Promise.withResolvers<void>();
    const it_ = await scene({
      ...stepping(5, 0),
      epochs: 9,
      answer: async (event) => {
        if (event.type === "report" && event.report.epoch === 3) await uploading.promise;
        const last = event.type === "report" ? event.report.epoch === 3 : event.type === "commit";
        return event.type === type && last ? { action: "leave", sequence: 9, reason: "not live" } : undefined;
      },
    });
    const { store } = it_;
    it_.store = storeVariant(store, {
      create: async (key, ...rest) => {
        if (key.includes(`${name}/model`)) {
          uploading.resolve();
          await gate.promise;
        }
        return await store.create(key, ...rest);
      },
    });
    expect(await failing(it_)).toMatchObject({ result: "left", message: "not live" });
    const said = [...it_.happened];
    gate.resolve();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await it_.manifest(name)).toBeUndefined();
    expect(it_.happened).toEqual(said);
  });

  it("and is told so at a save in the middle of an epoch trains no further", async () => {
    const it_ = await scene({
      ...stepping(3000, 0.01),
      saving: { epochEnds: "always", everySteps: 20 },
      answer: ({ type }) =>
        type === "commit" ? { action: "leave", sequence: 9, reason: "not live" } : undefined,
    });
    expect(await failing(it_)).toMatchObject({ result: "left" });
    expect(it_.happened).toEqual(["started", "commit 1 step 20"]);
  });
});
