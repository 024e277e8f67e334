import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Summary } from "../cli/summary.ts";
import { pawl, type Ran, startPawl, temporaryFolder } from "./pawl.ts";
import {
  countProject,
  expectPlainWords,
  heldBefore,
  modelEpochs,
  type Project,
  saying,
  upTo,
} from "./projects.ts";

export const run = "count-1";

export type Folder = Pick<Project, "path">;

interface Copied {
  readonly epoch: number;
  readonly checkpoints: number;
  readonly objects: number;
  readonly sizeBytes: number;
  readonly already: boolean;
  readonly leftOut: readonly unknown[];
}

export const told = (ran: Ran): Copied => {
  expect(ran.code, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout);
};

export const copy = (folder: Folder, from: string, to: string): Promise<Ran> =>
  pawl(["copy", run, "--from", from, "--to", to, "--json"], { cwd: folder.path });

/** Trains until `epoch` is committed, and interrupts it then: the next one waits for a gate that nobody opens. */
async function trainTo(folder: Folder, epoch: number, args: readonly string[]): Promise<void> {
  const running = startPawl(args, { cwd: folder.path, env: heldBefore(folder, epoch + 1) });
  await saying(running, `epoch ${epoch} is committed`);
  running.child.kill("SIGINT");
  const ran = await running.done;
  expect(ran.code, ran.stderr).toBe(101);
}

/** The epochs in the newest checkpoint, as `pawl pull` copies it, which checks every digest. */
export async function pulled(folder: Folder, store: string): Promise<number[]> {
  await using target = await temporaryFolder();
  const ran = await pawl(["pull", run, "--store", store, "--to", target.path], { cwd: folder.path });
  expect(ran.code, ran.stderr).toBe(0);
  return await modelEpochs(target.path);
}

/**
 * What holds for a run that moves between any two stores. `stores` gives the addresses of two fresh ones; it gets a folder
 * of the test, in which it may make what it needs.
 */
export function describeMoves(what: string, stores: (folder: string) => readonly [string, string]): void {
  describe(`a run that moves between ${what}`, () => {
    it("goes on in the other, comes back, and ends as if it had never moved", async () => {
      await using folder = await countProject({ epochs: "8" });
      const [here, there] = stores(folder.path);
      await trainTo(folder, 3, ["train", "--store", here]);

      const first = told(await copy(folder, here, there));
      expect(first).toMatchObject({ run, from: here, to: there, epoch: 3, already: false, leftOut: [] });
      expect(first.objects).toBeGreaterThan(first.checkpoints * 2);
      expect(told(await copy(folder, here, there))).toMatchObject({
        objects: 0,
        sizeBytes: 0,
        already: true,
      });

      await trainTo(folder, 6, ["resume", run, "--store", there]);
      const back = await pawl(["copy", run, "--from", here, "--to", there], { cwd: folder.path });
      expect(back).toMatchObject({ code: 2, stdout: "" });
      expect(back.stderr).toContain("The destination is further");
      expect(back.stderr).toContain(`pawl copy ${run} --from ${there} --to ${here}`);
      expect(told(await copy(folder, there, here))).toMatchObject({ epoch: 6, already: false });

      const ended = await pawl(["resume", run, "--store", here, "--json"], { cwd: folder.path });
      expect(ended.code, ended.stderr).toBe(0);
      expect(Summary.parse(JSON.parse(ended.stdout))).toMatchObject({ status: "finished", epoch: 8 });
      expect(await pulled(folder, here)).toEqual(upTo(8));

      const undisturbed = join(folder.path, "undisturbed");
      expect((await pawl(["train", "--store", undisturbed], { cwd: folder.path })).code).toBe(0);
      expect(await pulled(folder, undisturbed)).toEqual(await pulled(folder, here));
    });

    it("is refused where it went on in both, and neither is touched", async () => {
      await using folder = await countProject();
      const [here, there] = stores(folder.path);
      await trainTo(folder, 2, ["train", "--store", here]);
      told(await copy(folder, here, there));
      await trainTo(folder, 3, ["resume", run, "--store", here]);
      await trainTo(folder, 4, ["resume", run, "--store", there]);
      for (const [from, to] of [
        [here, there],
        [there, here],
      ] as const) {
        const before = await pulled(folder, to);
        const ran = await pawl(["copy", run, "--from", from, "--to", to], { cwd: folder.path });
        expect(ran).toMatchObject({ code: 2, stdout: "" });
        expect(ran.stderr).toMatch(/run count-1 went on in both stores: entry \d+ of its journal in /);
        expectPlainWords(ran);
        expect(await pulled(folder, to)).toEqual(before);
      }
    });

    it("is not copied while somebody trains it, in either", async () => {
      await using folder = await countProject();
      const [here, there] = stores(folder.path);
      await trainTo(folder, 2, ["train", "--store", here]);
      told(await copy(folder, here, there));
      const gate = { GATE: join(folder.path, "gate"), GATE_EPOCH: "4" };
      const running = startPawl(["resume", run, "--store", there], { cwd: folder.path, env: gate });
      await saying(running, "epoch 3 is committed");
      for (const [from, to] of [
        [here, there],
        [there, here],
      ] as const) {
        const ran = await pawl(["copy", run, "--from", from, "--to", to], { cwd: folder.path });
        expect(ran).toMatchObject({ code: 1, stdout: "" });
        expect(ran.stderr).toContain(`is being trained by process ${running.child.pid} `);
        expect(ran.stderr).toContain(`, in ${there}`);
      }
      await writeFile(gate.GATE, "");
      expect((await running.done).code).toBe(0);
      expect(told(await copy(folder, there, here))).toMatchObject({ epoch: 6 });
      expect(await pulled(folder, here)).toEqual(upTo(6));
    });

    it("goes on where the job's folder is another one, once it is given", async () => {
      await using folder = await countProject();
      const [here, there] = stores(folder.path);
      const job = { path: join(folder.path, "job") };
      await mkdir(job.path);
      for (const file of ["pawl.yaml", "count.sh"])
        await rename(join(folder.path, file), join(job.path, file));
      await trainTo(job, 2, ["train", "--store", here]);
      told(await copy(job, here, there));
      const elsewhere = join(folder.path, "elsewhere");
      await rename(job.path, elsewhere);
      const lost = await pawl(["resume", run, "--store", there], { cwd: elsewhere });
      expect(lost).toMatchObject({ code: 2, stdout: "" });
      expect(lost.stderr).toContain(`the folder of run ${run}'s job is not here: ${job.path}`);
      expect(lost.stderr).toContain(`pawl train FILE --run ${run} --store ${there}`);
      const ran = await pawl(["train", "--run", run, "--store", there], { cwd: elsewhere });
      expect(ran.code, ran.stderr).toBe(0);
      expect(await pulled(folder, there)).toEqual(upTo(6));
    });
  });
}
