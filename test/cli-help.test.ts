import { describe, expect, it } from "vitest";
import { commands } from "../cli/commands.ts";
import packageJson from "../package.json" with { type: "json" };
import { pawl } from "./pawl.ts";

describe("the command line", () => {
  it("tells of itself: all commands, one command, the version", async () => {
    const all = await pawl(["--help"]);
    expect(all).toMatchObject({ code: 0, stderr: "" });
    for (const { name, summary } of commands) {
      expect(all.stdout).toContain(`  ${name} `);
      const one = await pawl(["help", name]);
      expect(one).toMatchObject({ code: 0, stderr: "" });
      expect(one.stdout.replaceAll(/\s+/g, " ")).toContain(summary);
      expect(one.stdout).toContain("Example: pawl ");
      expect((await pawl([name, "--help"])).stdout).toBe(one.stdout);
    }
    expect(await pawl(["--version"])).toMatchObject({
      code: 0,
      stdout: `${packageJson.version}\n`,
      stderr: "",
    });
  });

  it("says how it is used when it is called with nothing", async () => {
    const ran = await pawl([]);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toMatch(/^Usage: pawl /);
  });

  it.each([
    { args: ["trian"], says: "unknown command 'trian'. Did you mean train?" },
    { args: ["help", "pul"], says: "unknown command 'pul'. Did you mean pull?" },
    { args: ["train", "--nwe"], says: "unknown option '--nwe'. Did you mean --new?" },
    { args: ["show", "x", "--jsn"], says: "unknown option '--jsn'. Did you mean --json?" },
    { args: ["--verson"], says: "unknown option '--verson'. Did you mean --version?" },
    { args: ["show"], says: "missing required argument 'name'" },
    { args: ["show", "a", "b"], says: "too many arguments" },
    { args: ["train", "--store"], says: "option '--store <store>' argument missing" },
  ])("refuses $args with 2 and the nearest name", async ({ args, says }) => {
    const ran = await pawl(args);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toContain(`error: ${says}`);
    expect(ran.stderr).toContain("pawl --help");
  });

  it.each([
    ["--json", "runs"],
    ["--store=there", "show", "x"],
  ])("says where an option belongs that is given before the command (%s)", async (...args) => {
    const ran = await pawl(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("Options of a command come after its name");
  });

  it("tells programs the same with --json", async () => {
    for (const args of [
      ["trian", "--json"],
      ["show", "--json"],
      ["train", "--json", "--store"],
    ]) {
      const ran = await pawl(args);
      expect(ran.code).toBe(2);
      expect(JSON.parse(ran.stdout).error).toMatchObject({
        code: "USAGE",
        next: expect.stringContaining("--help"),
      });
    }
  });
});
