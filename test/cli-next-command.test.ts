import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pawl, startPawl, temporaryFolder } from "./pawl.ts";
import { countProject, saying } from "./projects.ts";

/** Whole, as a shell takes it. */
const elsewhere = ["--store", "the store's"];
const named = (verb: string, path: string) =>
  `pawl ${verb} count-1 --store '${join(path, "the store'\\''s")}'`;

describe("what a command says to type next, of a run in another store than the default one", () => {
  it("names the store, so that no run of the same name in the default store is meant", async () => {
    await using folder = await countProject({ epochs: "6" });
    const options = { cwd: folder.path };
    const env = { GATE: join(folder.path, "gate"), GATE_EPOCH: "2" };
    const running = startPawl(["train", ...elsewhere], { ...options, env });
    await saying(running, "epoch 1 is committed");

    const held = await pawl(["resume", "count-1", ...elsewhere], options);
    expect(held.code).toBe(1);
    expect(held.stderr).toContain(named("stop", folder.path));

    const stopped = await pawl(["stop", "count-1", ...elsewhere], options);
    expect(stopped.stdout).toContain(named("resume", folder.path));
    expect((await running.done).stdout).toContain(named("resume", folder.path));
    const shown = await pawl(["show", "count-1", ...elsewhere], options);
    expect(shown.stdout).toContain(named("resume", folder.path));
  });

  it("names none where PAWL_STORE is the store", async () => {
    await using folder = await countProject({
      command: "[sh, -c, 'exit 3']",
      retry: "{failuresWithoutProgress: 1}",
    });
    const options = { cwd: folder.path, env: { PAWL_STORE: "theirs" } };
    expect((await pawl(["train"], options)).code).toBe(100);
    const refused = await pawl(["stop", "count-1"], options);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("'pawl resume count-1' tries again");
  });
});

describe("what a command says of a run that has failed", () => {
  it("is short where there is nothing to stop, and leaves the reason to pawl show", async () => {
    await using folder = await countProject({
      command: "[sh, -c, 'exit 3']",
      retry: "{failuresWithoutProgress: 1}",
    });
    expect((await pawl(["train"], { cwd: folder.path })).code).toBe(100);
    const { stderr } = await pawl(["stop", "count-1"], { cwd: folder.path });
    expect(stderr).toContain("error: run count-1 is failed: there is nothing to stop\n");
    expect(stderr).not.toContain("run the same command again");
  });
});

describe("what a command says where there is no store", () => {
  it("names the option that the store was given with", async () => {
    await using folder = await countProject();
    const copied = await pawl(["copy", "count-1", "--from", "nowhere", "--to", "there"], {
      cwd: folder.path,
    });
    expect(copied.code).toBe(102);
    expect(copied.stderr).toContain("Correct --from");
    expect(copied.stderr).not.toContain("--store");
  });
});

describe("pawl train in a folder that has no store yet", () => {
  it.each(["above it", "beside the job file"])(
    "says that there is a store %s, which it does not take",
    async (where) => {
      await using folder = await countProject();
      await using outside = await temporaryFolder();
      const below = join(folder.path, "below");
      await mkdir(below);
      expect((await pawl(["train"], { cwd: folder.path })).stderr).not.toContain("note:");
      const cwd = where === "above it" ? below : outside.path;
      const first = await pawl(["train", join(folder.path, "pawl.yaml")], { cwd });
      expect(first.code).toBe(0);
      expect(first.stderr).toContain(`there is a store in ${join(folder.path, ".pawl")} too`);
      const second = await pawl(["train", join(folder.path, "pawl.yaml")], { cwd });
      expect(second.stderr).not.toContain("note:");
    },
  );
});
