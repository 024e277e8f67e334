import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/**
 * A user's project in a temporary folder: `pawl` is built into its node_modules afresh, beside the other packages, so that
 * trainers in it import `pawl/trainer` as they would anywhere, and nothing is rebuilt under another test.
 */
export function makeTrainerProject(): Disposable & { readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), "pawl-project-"));
  const modules = join(folder, "node_modules");
  const pawl = join(modules, "pawl");
  mkdirSync(pawl, { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".") && name !== "pawl") {
      symlinkSync(join(root, "node_modules", name), join(modules, name));
    }
  }
  copyFileSync(join(root, "package.json"), join(pawl, "package.json"));
  execFileSync(process.execPath, [join(root, "scripts/build.mjs"), join(pawl, "dist")], {
    cwd: root,
    stdio: "pipe",
  });
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
