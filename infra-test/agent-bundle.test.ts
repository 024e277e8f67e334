import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packedAgent } from "../cdk/agent-asset.ts";
import { writeAgentBundle } from "../cdk/agent-bundle.ts";
import { nodePackage } from "../cdk/agent-node.ts";
import { type PackedFile, tarGz } from "../cdk/tar.ts";

const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pawl-agent-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const filesIn = (path: string): string[] =>
  readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(path, name)).isFile())
    .toSorted();

test("the bundle holds a Node, the agent and the helper, and needs nothing else to run", async () => {
  const bundle = join(folder, "bundle");
  writeAgentBundle(bundle);
  const files = filesIn(bundle);
  expect(files).toContain("python/pawl/__init__.py");
  expect(files.filter((path) => !path.startsWith("python/pawl/"))).toEqual(["agent.mjs", "bin/node"]);
  const node = join(bundle, "bin/node");
  expect((await run(node, ["--version"], { env: {} })).stdout).toMatch(/^v24\./);
  // Without an assignment it says what it lacks: it has been loaded, with all that it imports.
  const ended = await run(node, [join(bundle, "agent.mjs")], { env: {}, cwd: "/" }).catch(
    (error: { code: unknown; stderr: string }) => error,
  );
  expect(ended.stderr).toContain("PAWL_");
  expect(ended.stderr).not.toMatch(/Cannot find|ERR_MODULE|SyntaxError/);
});

test("a deploying machine that has no such Node fetches the very one that is tested here", () => {
  const lock: unknown = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
  expect(lock).toMatchObject({ packages: { "node_modules/node": { version: nodePackage.version } } });
});

test("its archive unpacks to the same, and is kept as long as it would be the same", async () => {
  const kept = join(folder, "kept");
  mkdirSync(kept);
  const path = packedAgent(kept);
  const made = statSync(path).mtimeMs;
  expect(packedAgent(kept)).toBe(path);
  expect(statSync(path).mtimeMs).toBe(made);
  expect(filesIn(kept)).toEqual([path.slice(kept.length + 1)]);
  const unpacked = join(folder, "unpacked");
  mkdirSync(unpacked);
  await run("tar", ["-xzf", path, "-C", unpacked]);
  expect(filesIn(unpacked)).toEqual(filesIn(join(folder, "bundle")));
  for (const name of filesIn(unpacked)) {
    const [one, other] = [join(unpacked, name), join(folder, "bundle", name)];
    expect(readFileSync(one).equals(readFileSync(other))).toBe(true);
    expect(statSync(one).mode & 0o777).toBe(statSync(other).mode & 0o777);
  }
});

test("an archive is the same for the same files, and is what tar makes of it, whatever their sizes", async () => {
  const files: PackedFile[] = [0, 1, 511, 512, 513, 10_000].map((size) => ({
    path: `a/${size}`,
    executable: size % 2 === 1,
    content: Buffer.alloc(size, String(size)),
  }));
  const path = join(folder, "sizes.tar.gz");
  writeFileSync(path, tarGz(files));
  const out = join(folder, "sizes");
  mkdirSync(out);
  await run("tar", ["-xzf", path, "-C", out]);
  expect(filesIn(out).length).toBe(files.length);
  for (const { path: name, content } of files) {
    expect(readFileSync(join(out, name)).equals(Buffer.from(content))).toBe(true);
  }
  expect(tarGz(files).equals(readFileSync(path))).toBe(true);
  expect(() => tarGz([{ path: "x".repeat(101), executable: false, content: Buffer.alloc(0) }])).toThrow(
    "longer than 100 bytes",
  );
});
