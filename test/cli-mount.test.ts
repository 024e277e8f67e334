import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Ran, root } from "./pawl.ts";
import { countProject, expectPlainWords, type Project, pulledEpochs, shown, upTo } from "./projects.ts";

/** How `pawl` is called inside, and what each call ended with. */
const prelude = `
set -u
pawl() { "$NODE" "$MAIN" "$@" --store store; echo "exit $?"; }
mount -t tmpfs -o "$OPTIONS" none store || exit 99
`;

/** What is in the mount afterwards goes with it, so it is copied to where the others look for a store. */
const epilogue = `
rm -f store/filler
cp -a store .pawl
`;

/**
 * Runs `script` in a project whose folder `store` is a file system of its own, which nobody else sees and which ends
 * with it: as root of a user namespace, so that it works for everybody.
 */
async function withMount(folder: Project, options: string, script: string): Promise<Ran> {
  await mkdir(join(folder.path, "store"));
  const env = {
    ...process.env,
    NO_COLOR: "1",
    OPTIONS: options,
    NODE: process.execPath,
    MAIN: join(root, "cli", "main.ts"),
  };
  const child = spawn("unshare", ["-rm", "sh", "-c", prelude + script + epilogue], { cwd: folder.path, env });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.stderr += chunk;
  });
  return await new Promise<Ran>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const ran = { code, signal, ...said };
      if (code === 0) resolve(ran);
      else
        reject(
          new Error(`a file system cannot be mounted here (user namespaces are needed): ${said.stderr}`),
        );
    });
  });
}

const exits = ({ stdout }: Ran): number[] =>
  [...stdout.matchAll(/^exit (\d+)$/gm)].map(([, code]) => Number(code));

const journalled = async (folder: Project) => (await shown(folder, "count-1")).history.decisions;

describe("a disk that is full", () => {
  it("while a checkpoint is saved fails the run, and with more space the same command goes on", async () => {
    await using folder = await countProject({
      epochs: "4",
      command: `[sh, -c, '. ./count.sh; [ $PAWL_EPOCH -ne 3 ] || head -c 3000000 /dev/urandom > "$PAWL_CHECKPOINT_DIR/big"']`,
      retry: "{failuresWithoutProgress: 2, baseDelay: 0s}",
    });
    const script = "pawl train; mount -o remount,size=64m none store; pawl train";
    const ran = await withMount(folder, "size=5m", script);
    expect(exits(ran), ran.stderr).toEqual([100, 0]);
    expectPlainWords(ran);
    const [first = "", second = ""] = ran.stdout.split("exit 100\n");
    expect(first).toMatch(/^count-1 failed\n +failure +attempt 2: disk-full: /);
    expect(first).toContain("epochs       2 of 4");
    expect(ran.stderr).toMatch(/attempt 1 failed: disk-full: .*(space|full)/);
    expect(ran.stderr).toContain("Free some space, or give another --store");
    expect(second).toMatch(/^count-1 finished/);
    const { history, checkpoints } = await shown(folder, "count-1");
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual(upTo(4));
    expect(history.attempts.map(({ result }) => result)).toEqual(["disk-full", "disk-full", "done"]);
    expect(checkpoints.map(({ epoch }) => epoch)).toEqual([3, 4]);
  });

  it("before anything can be written is told in one line; what is there can be read, and goes on later", async () => {
    await using folder = await countProject({ epochs: "2" });
    const fill = "head -c 100000000 /dev/zero > store/filler 2>/dev/null";
    const more = `sed -i "s/epochs: 2/epochs: 3/" pawl.yaml`;
    const script = `pawl train; ${fill}; ${more}; pawl train --accept-changes; pawl show count-1; rm store/filler; pawl train --accept-changes`;
    const ran = await withMount(folder, "size=4m", script);
    expect(exits(ran), ran.stderr).toEqual([0, 1, 0, 0]);
    expectPlainWords(ran);
    const errors = ran.stderr.split("\n").filter((line) => line.startsWith("error"));
    expect(errors).toEqual([expect.stringMatching(/cannot (create|replace|write) .*there is no space left/)]);
    expect(ran.stderr).toContain("Free space there");
    expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(3));
  });

  it("while a decision is journalled ends the command with the reason, and loses nothing committed", async () => {
    await using folder = await countProject({ epochs: "4" });
    const gate = join(folder.path, "gate");
    const script = `
      (GATE=${gate} GATE_EPOCH=3 pawl train) &
      until [ -e store/checkpoints/count-1/2-1/manifest.json ] && [ -z "$(ls store/.internal/tmp)" ]; do sleep 0.05; done
      sleep 0.5; head -c 100000000 /dev/zero > store/filler 2>/dev/null; touch ${gate}; wait
      rm store/filler; pawl train`;
    const ran = await withMount(folder, "size=4m", script);
    expect(exits(ran), ran.stderr).toEqual([1, 0]);
    expectPlainWords(ran);
    expect(ran.stderr).toMatch(/^error: cannot create journal\/count-1\/\d+\.json .*there is no space left/m);
    expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(4));
    const { history } = await shown(folder, "count-1");
    expect(history.epochs.map(({ epoch, attempt }) => [epoch, attempt > 1])).toEqual([
      [1, false],
      [2, false],
      [3, true],
      [4, true],
    ]);
  });
});

describe("a store on a file system that is read-only", () => {
  it("is refused, and stays as it was", async () => {
    await using folder = await countProject({ epochs: "2" });
    const more = `sed -i "s/epochs: 2/epochs: 3/" pawl.yaml`;
    const script = `pawl train; mount -o remount,ro none store; ${more}; pawl train --accept-changes; mount -o remount,rw none store`;
    const ran = await withMount(folder, "size=4m", script);
    expect(exits(ran), ran.stderr).toEqual([0, 1]);
    expectPlainWords(ran);
    expect(ran.stderr).toContain("the file system is read-only");
    expect(ran.stderr).toContain("Allow this user to write there, or name another folder as the store");
    const decisions = await journalled(folder);
    expect(decisions.at(-1)?.kind).toBe("finished");
    expect(await pulledEpochs(folder, "count-1")).toEqual(upTo(2));
  });
});
