import { execFile } from "node:child_process";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { openFolderStore } from "../store/folder.ts";
import { pawl, type Running, root, startPawl } from "./pawl.ts";
import { countProject, expectPlainWords, type Project, saying, upTo } from "./projects.ts";

const lines = (epochs: readonly number[]): string =>
  epochs.map((epoch) => `this is epoch ${epoch}\n`).join("");

/** Settles when stdout has `text`; fails where the process ends first. */
async function printing({ child, done }: Running, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let printed = "";
  child.stdout?.on("data", (chunk) => {
    printed += chunk;
    if (printed.includes(text)) resolve();
  });
  done.then((ran) => reject(new Error(`ended without printing '${text}': ${ran.stderr}`)));
  await promise;
}

/** Training that stays at the beginning of epoch 3 until `open` is called. */
async function gated(folder: Project) {
  const gate = join(folder.path, "gate");
  const training = startPawl(["train"], { cwd: folder.path, env: { GATE: gate, GATE_EPOCH: "3" } });
  await saying(training, "epoch 2 is committed");
  return { training, open: () => writeFile(gate, "") };
}

/** The first attempt fails in epoch 2, and its last words have no end of line. */
async function failsOnce(folder: Project): Promise<void> {
  const script = `
    echo "epoch $PAWL_EPOCH of attempt $PAWL_ATTEMPT"
    if [ "$PAWL_ATTEMPT$PAWL_EPOCH" = 12 ]; then printf 'süß'; exit 3; fi
    echo "$PAWL_EPOCH" > "$PAWL_CHECKPOINT_DIR/model.txt"`;
  await writeFile(join(folder.path, "count.sh"), script);
}

describe.concurrent("pawl logs", () => {
  it("prints what the trainer printed and nothing else, also as a JSON object for each line", async () => {
    await using folder = await countProject();
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const plain = await pawl(["logs", "count-1"], { cwd: folder.path });
    expect(plain).toMatchObject({ code: 0, stdout: lines(upTo(6)) });
    expect(plain.stderr).toMatch(/^attempt 1, Batch job [0-9a-f-]+\n$/);
    const json = await pawl(["logs", "count-1", "--json"], { cwd: folder.path });
    expect(
      json.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(upTo(6).map((epoch) => ({ attempt: 1, line: `this is epoch ${epoch}` })));
  });

  it("prints the newest attempt, one by its number, or all", async () => {
    await using folder = await countProject({ epochs: "3" });
    await failsOnce(folder);
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const [first, second] = [
      "epoch 1 of attempt 1\nepoch 2 of attempt 1\nsüß",
      "epoch 2 of attempt 2\nepoch 3 of attempt 2\n",
    ];
    const printed = async (...args: string[]) =>
      (await pawl(["logs", "count-1", ...args], { cwd: folder.path })).stdout;
    expect(await printed()).toBe(second);
    expect(await printed("--attempt", "1")).toBe(first);
    expect(await printed("--attempt", "newest", "--follow")).toBe(second);
    expect(await printed("--attempt", "all")).toBe(first + second);
    const json = (await printed("--attempt", "all", "--json")).trim().split("\n");
    expect(json.map((line) => JSON.parse(line))).toEqual([
      { attempt: 1, line: "epoch 1 of attempt 1" },
      { attempt: 1, line: "epoch 2 of attempt 1" },
      { attempt: 1, line: "süß" },
      { attempt: 2, line: "epoch 2 of attempt 2" },
      { attempt: 2, line: "epoch 3 of attempt 2" },
    ]);
  });

  it("follows a run from attempt to attempt, until it is over", async () => {
    await using folder = await countProject();
    const { training, open } = await gated(folder);
    const following = startPawl(["logs", "count-1", "--follow"], { cwd: folder.path });
    await printing(following, "this is epoch 2\n");
    training.child.kill("SIGINT");
    await training.done;
    await following.done;
    expect(await following.done).toMatchObject({ code: 0, stdout: expect.stringContaining(lines([1, 2])) });
    expect((await following.done).stderr).toContain("nobody trains run count-1 now");

    await open();
    const again = startPawl(["resume", "count-1"], { cwd: folder.path, env: { EPOCH_SECONDS: "0.5" } });
    await saying(again, "attempt 2 runs");
    const second = await pawl(["logs", "count-1", "--follow", "--attempt", "all"], { cwd: folder.path });
    expect(second.code).toBe(0);
    expect(second.stdout.replace(lines([1, 2]), "")).toBe(lines([3, 4, 5, 6]));
    expect(second.stderr).toMatch(
      /attempt 1, Batch job .+\nattempt 2, Batch job .+\nrun count-1 is finished\n$/,
    );
    expect((await again.done).code).toBe(0);
  });

  it("leaves training alone when it is left, by Ctrl-C or by its reader", async () => {
    await using folder = await countProject();
    const { training, open } = await gated(folder);
    const following = startPawl(["logs", "count-1", "-f"], { cwd: folder.path });
    await printing(following, "this is epoch 2\n");
    following.child.kill("SIGINT");
    const left = await following.done;
    expect(left).toMatchObject({ code: 0, stdout: lines([1, 2]) });
    expect(left.stderr).toContain("training of run count-1 goes on");
    expectPlainWords(left);

    const unread = startPawl(["logs", "count-1", "-f"], { cwd: folder.path });
    await printing(unread, "this is epoch 2\n");
    unread.child.stdout?.destroy();
    await open();
    expect(await unread.done).toMatchObject({ code: 0 });
    expect((await training.done).code).toBe(0);
  });

  it("keeps characters whole that are cut between two parts, and says where parts are missing", async () => {
    await using folder = await countProject({ epochs: "1" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const log = join(folder.path, ".pawl", "attempts", "count-1", "1");
    const [id = ""] = await readdir(log);
    const store = await openFolderStore(join(folder.path, ".pawl"));
    await rm(join(log, id, "log"), { recursive: true });
    const bytes = Buffer.from("süß 🦦\nend");
    const parts = [bytes.subarray(0, 2), bytes.subarray(2, 8), undefined, bytes.subarray(8)];
    // Between the second and the third part is one that could not be written: what follows begins anew.
    for (const [at, each] of parts.entries()) {
      if (each !== undefined)
        await store.create(`attempts/count-1/1/${id}/log/${String(at + 1).padStart(10, "0")}.txt`, each);
    }
    const plain = await promisify(execFile)(
      process.execPath,
      [join(root, "cli", "main.ts"), "logs", "count-1"],
      { cwd: folder.path, encoding: "buffer" },
    );
    expect(plain.stdout.toString("hex")).toBe(bytes.toString("hex"));
    expect(plain.stderr.toString()).toContain("1 part of the log is missing here");
    const json = await pawl(["logs", "count-1", "--json"], { cwd: folder.path });
    const read = json.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).line);
    expect(read[0]).toMatch(/^süß /);
    expect(read.at(-1)).toBe("end");
  });

  it.each([
    { args: ["--attempt", "2"], code: 102, says: "run count-1 has no attempt 2: it has attempt 1" },
    { args: ["--attempt", "first"], code: 2, says: "--attempt first: must be a number, newest or all" },
    { args: ["--attempt", "0"], code: 2, says: "--attempt 0: must be" },
  ])("refuses $args", async ({ args, code, says }) => {
    await using folder = await countProject({ epochs: "1" });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(0);
    const ran = await pawl(["logs", "count-1", ...args], { cwd: folder.path });
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toContain(says);
  });
});
