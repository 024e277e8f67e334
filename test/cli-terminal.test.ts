import { spawn } from "node:child_process";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { root } from "./pawl.ts";
import { countProject, heldBefore, type Project, shown } from "./projects.ts";

interface Terminal {
  readonly columns?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** What is typed once the terminal has shown this. */
  readonly when?: string;
  readonly type?: string;
}

/** What a terminal shows of `pawl train`, and how it ends. */
async function onTerminal(
  { path }: Project,
  { columns = 100, env = {}, when = "", type = "" }: Terminal = {},
) {
  // In what calls itself CI, Node takes no terminal for one that has colours.
  const { NO_COLOR: _none, FORCE_COLOR: _forced, CI: _ci, ...inherited } = process.env;
  const args = [String(columns), when, type, process.execPath, join(root, "cli", "main.ts"), "train"];
  const child = spawn("python3", [join(root, "test", "fixtures", "in-terminal.py"), ...args], {
    cwd: path,
    env: { ...inherited, TERM: "xterm-256color", EPOCH_SECONDS: "0.25", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, text };
}

const erase = "\r\x1b[2K";
const cyan = "\x1b[36m";
const dim = "\x1b[2m";

/** What the live line showed, one after the other. */
const liveLines = (text: string): string[] =>
  text
    .split(erase)
    .map((part) => part.split("\r\n")[0] ?? "")
    .filter((part) => part.startsWith("●"));

/** The lines that stay, as a terminal leaves them: a line is drawn over from its beginning. */
const remaining = (text: string): string[] =>
  text.split("\r\n").map((line) => stripVTControlCharacters(line.split(erase).at(-1) ?? ""));

describe("on a terminal", () => {
  it("a live line shows the epoch, and is gone in the end", async () => {
    await using folder = await countProject({ epochs: "3" });
    // Long enough for epoch 1 to be committed while epoch 2 is trained.
    const { code, text } = await onTerminal(folder, { env: { EPOCH_SECONDS: "2" } });
    expect(code, text).toBe(0);
    expect(liveLines(text)).toContainEqual(
      expect.stringMatching(/^● epoch 2\/3 {2}\d+ s {2}1 committed {2}━+╌+/),
    );
    expect(text).toContain(cyan);
    const lines = remaining(text);
    expect(lines).toContain("          epoch 1 is committed with checkpoint 1-1");
    expect(lines).toContain("count-1 finished: all 3 epochs are trained");
    expect(lines.filter((line) => line.includes("●"))).toEqual([]);
  });

  it("the live line never wraps", async () => {
    await using folder = await countProject({ epochs: "2" });
    const { text } = await onTerminal(folder, { columns: 24 });
    expect(liveLines(text).length).toBeGreaterThan(0);
    for (const line of liveLines(text)) expect([...line].length).toBeLessThan(24);
  });

  it("NO_COLOR takes the colours away, and a terminal that can do nothing gets plain lines", async () => {
    await using folder = await countProject({ epochs: "1" });
    const plain = await onTerminal(folder, { env: { NO_COLOR: "1" } });
    expect(plain.code).toBe(0);
    for (const colour of [cyan, dim]) expect(plain.text).not.toContain(colour);
    expect(liveLines(plain.text).length).toBeGreaterThan(0);
    await using other = await countProject({ epochs: "1" });
    const dumb = await onTerminal(other, { env: { TERM: "dumb", NO_COLOR: "1" } });
    expect(dumb.code).toBe(0);
    expect(dumb.text).not.toContain("\x1b");
    expect(dumb.text).not.toContain("●");
    expect(dumb.text).toContain("epoch 1 is committed");
  });

  it("Ctrl-C reaches pawl alone: what is trained is committed, and the exit code is 101", async () => {
    await using folder = await countProject();
    const env = heldBefore(folder, 4);
    const { code, text } = await onTerminal(folder, { env, when: "epoch 2/6  loss", type: "\x03" });
    expect(code, text).toBe(101);
    const lines = remaining(text);
    expect(lines.some((line) => line.startsWith("stopping: saving what is trained"))).toBe(true);
    const run = await shown(folder, "count-1");
    expect(run.status).toBe("interrupted");
    expect(run.epoch).toBeGreaterThanOrEqual(2);
    expect(run.history.attempts.map(({ result }) => result)).toEqual(["interrupted"]);
  });
});
