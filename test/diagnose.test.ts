import { spawn } from "node:child_process";
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { anOutcome } from "../core/testing/events.ts";
import { pawl, root, temporaryFolder } from "./pawl.ts";

/** `pawl diagnose` with `input` on standard input. */
async function piped(input: string | Uint8Array, ...args: string[]) {
  const child = spawn(process.execPath, [join(root, "cli", "main.ts"), "diagnose", ...args], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  const [out, err] = [child.stdout, child.stderr].map(async (stream) => {
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await new Promise((resolve) => child.once("close", resolve));
  return { code, stdout: (await out) ?? "", stderr: (await err) ?? "" };
}

const reclaimed = "Host EC2 (instance i-0abc12) terminated.";
const cause = JSON.stringify({
  JobId: "j",
  Status: "FAILED",
  StatusReason: reclaimed,
  Container: { ExitCode: 143 },
});

describe.concurrent("pawl diagnose", () => {
  it("reads a file, and says class, evidence and what Pawl would do", async () => {
    await using folder = await temporaryFolder();
    await writeFile(
      join(folder.path, "cause.json"),
      JSON.stringify({ Error: "States.TaskFailed", Cause: cause }),
    );
    expect(await pawl(["diagnose", "cause.json"], { cwd: folder.path })).toMatchObject({
      code: 0,
      stderr: "",
      stdout: [
        "spot-reclaim (confidence high: a field says so)",
        `  StatusReason        ${reclaimed}`,
        "  Container.ExitCode  exit code 143 (killed by signal 15)",
        "Pawl would start another attempt at once: the market took the host back, which is nobody's fault.",
        "",
      ].join("\n"),
    });
  });

  it.each([[], ["-"]])("reads standard input where it is given %j, and gives JSON", async (...args) => {
    const { code, stdout, stderr } = await piped(cause, "--json", ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      class: "spot-reclaim",
      confidence: "high",
      evidence: [
        { where: "StatusReason", text: reclaimed },
        { where: "Container.ExitCode", text: "exit code 143 (killed by signal 15)" },
      ],
      action: "at-once",
      reason:
        "Pawl would start another attempt at once: the market took the host back, which is nobody's fault.",
    });
  });

  it("reads an attempt's outcome, whose classes can be Pawl's own", async () => {
    const { stdout } = await piped(JSON.stringify(anOutcome(1, "no-checkpoint")), "--json");
    expect(JSON.parse(stdout)).toMatchObject({ class: "no-checkpoint", action: "give-up" });
  });

  it("says none of a job that succeeded, and would do nothing", async () => {
    const { stdout, code } = await piped(JSON.stringify({ status: "SUCCEEDED", jobId: "j" }), "--json");
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, class: "none", action: "none" });
  });

  it.each([
    ["nothing", ""],
    ["bytes that are no text", Uint8Array.from({ length: 5000 }, (_, at) => (at * 7) % 256)],
    ["a cause of 256 KiB that was cut", `{"JobId": "j", "Container": {"Command": ["${"x".repeat(262_144)}`],
    ["a cause without its attempts", '{"JobId": "j", "Status": "FAILED"}'],
    ["an outcome that is torn", JSON.stringify(anOutcome(1, "gpu-oom")).slice(0, -40)],
    [
      "a job of more than a mebibyte",
      `{"jobId": "j", "container": {"command": ["${"x".repeat(1_200_000)} CUDA out of memory"]}}`,
    ],
    ["an object of something else", '{"a": {"b": ["CUDA out of memory"]}}'],
  ])("is not sure of %s, and ends well", async (_, input) => {
    const { code, stdout, stderr } = await piped(input, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ class: "unknown", confidence: "low" });
  });

  it("gives a terminal nothing of the input that it would obey", async () => {
    const escape_ = "\u001b";
    const line = `KeyError: ${escape_}]0;stolen\u0007${escape_}[2J\u009b31mx\u202ey`;
    const outcome = anOutcome(1, "unknown", {
      message: line,
      signs: [{ where: `log${escape_}[2J`, text: line }],
    });
    for (const input of [`${line}\n`, JSON.stringify({ statusReason: line }), JSON.stringify(outcome)]) {
      for (const args of [[], ["--json"]]) {
        const { stdout, code } = await piped(input, ...args);
        expect(code).toBe(0);
        expect(stdout).toContain("KeyError");
        expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]|\\u00[019]/u);
      }
    }
  });

  it("has bounded memory for a log of 300 MB, from a file and from a pipe", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "train.log");
    await using log = await open(path, "w");
    const block = Buffer.from(`${"step 1: loss 0.5 ".repeat(60)}\n`.repeat(1000));
    while ((await log.stat()).size < 300_000_000) await log.write(block);
    await log.write("RuntimeError: CUDA out of memory. Tried to allocate 2 GiB\n");
    const measured = `process.on("exit", () => console.error(process.resourceUsage().maxRSS));`;
    await mkdir(join(folder.path, "lib"));
    await writeFile(join(folder.path, "lib", "measure.mjs"), measured);
    const importing = `--import=${join(folder.path, "lib", "measure.mjs")}`;
    const rss = async (command: string) => {
      const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
      let [out, err] = ["", ""];
      child.stdout.on("data", (piece) => (out += piece));
      child.stderr.on("data", (piece) => (err += piece));
      await new Promise((resolve) => child.once("close", resolve));
      return { class: JSON.parse(out).class, kibibytes: Number(err.trim()) };
    };
    const main = `"${process.execPath}" "${importing}" "${join(root, "cli", "main.ts")}" diagnose --json`;
    const small = await rss(`echo x | ${main}`);
    expect(small.kibibytes).toBeGreaterThan(10_000);
    for (const command of [`${main} "${path}"`, `cat "${path}" | ${main}`, `${main} < "${path}"`]) {
      const large = await rss(command);
      expect(large.class).toBe("gpu-oom");
      expect(large.kibibytes - small.kibibytes).toBeLessThan(100_000);
    }
  }, 60_000);
});
