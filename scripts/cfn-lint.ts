// Lints the synthesised templates with cfn-lint, from PyPI: installs it once beside the packages, and exits with 1 where
// it finds an error. Warnings are printed. Run: npx node scripts/cfn-lint.ts
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { synthesised } from "../infra-test/template.ts";
import { variants } from "../infra-test/variants.ts";
import { command, installation } from "./installed.ts";

const requirements = fileURLToPath(new URL("cfn-lint-requirements.txt", import.meta.url));

/** W3005: CDK writes dependencies out that references imply. */
const ignored = "W3005";

/** A Region with every service that is used. */
const region = "us-east-1";

const installed = await installation("cfn-lint", [readFileSync(requirements, "utf8")], async (folder) => {
  const python = join(folder, "bin", "python");
  await command("python3", ["-m", "venv", folder]);
  await command(python, ["-m", "pip", "--disable-pip-version-check", "install", "-q", "-r", requirements]);
});

const folder = await mkdtemp(join(tmpdir(), "pawl-cfn-lint-"));
try {
  const paths: string[] = [];
  for (const [name, props] of Object.entries(variants)) {
    const path = join(folder, `${name.replaceAll(" ", "-")}.json`);
    await writeFile(path, JSON.stringify(synthesised(props).toJSON(), null, 1));
    paths.push(path);
  }
  const options = ["--regions", region, "--ignore-checks", ignored, "--format", "parseable"];
  const args = [...options, "--non-zero-exit-code", "error", "--", ...paths];
  const lint = spawn(join(installed, "bin", "cfn-lint"), args, { stdio: "inherit" });
  const code = await new Promise<number>((resolve, reject) => {
    lint.once("error", reject);
    lint.once("close", (exitCode) => resolve(exitCode ?? 1));
  });
  if (code === 0) console.log(`cfn-lint: no errors in ${paths.length} templates`);
  process.exitCode = code === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
