import { spawnSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { root } from "./pawl.ts";

const withFirst = (folder: string): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${folder}${delimiter}${process.env.PATH}`,
});

const imports = (env: NodeJS.ProcessEnv, ...modules: readonly string[]): boolean =>
  spawnSync("python3", ["-c", `import ${modules.join(", ")}`], { env }).status === 0;

/**
 * An environment in which `python3` has PyTorch: this one, or with Debian's Python first. Throws, saying what to install,
 * where there is none.
 */
export function environmentWithTorch(): NodeJS.ProcessEnv {
  const found = [process.env, withFirst("/usr/bin")].find((env) => imports(env, "torch"));
  if (found === undefined) {
    throw new Error(
      "These tests need a python3 with PyTorch: run scripts/install-torch.sh, or put one that has it first on PATH.",
    );
  }
  return found;
}

/**
 * An environment in which `python3` has PyTorch, Lightning and Transformers: this one, or with that of
 * scripts/python-frameworks.sh first. Throws, saying what to install, where there is none.
 */
export function environmentWithFrameworks(): NodeJS.ProcessEnv {
  const made = withFirst(join(root, "node_modules", ".cache", "python-frameworks", "bin"));
  const found = [process.env, made].find((env) =>
    ["lightning.pytorch", "pytorch_lightning"].some((name) => imports(env, "torch", "transformers", name)),
  );
  if (found === undefined) {
    throw new Error(
      "These tests need a python3 with PyTorch, Lightning and Transformers: run scripts/python-frameworks.sh, or put one that has them first on PATH.",
    );
  }
  return found;
}
