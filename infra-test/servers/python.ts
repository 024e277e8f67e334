import { command } from "../../scripts/installed.ts";

/** Whether `program` is Python 3.13, which LocalStack's own code and its pinned packages need. */
const is313 = async (program: string, env: NodeJS.ProcessEnv): Promise<boolean> =>
  (await command(program, ["--version"], { env }).catch(() => "")).startsWith("Python 3.13");

/** The versions that pyenv manages, whose shims answer only where one is chosen. */
async function pyenvChoices(): Promise<NodeJS.ProcessEnv[]> {
  const versions = await command("pyenv", ["versions", "--bare"]).catch(() => "");
  return versions
    .split("\n")
    .filter((version) => version.trim().startsWith("3.13"))
    .map((version) => ({ PYENV_VERSION: version.trim() }));
}

/** A Python 3.13, by its own path. Throws with what to do where there is none: the suite is not skipped for that. */
export async function python313(): Promise<string> {
  const choices = [{}, ...(await pyenvChoices())];
  for (const program of ["python3.13", "python3"]) {
    for (const env of choices) {
      if (await is313(program, env))
        return (await command(program, ["-c", "import sys; print(sys.executable)"], { env })).trim();
    }
  }
  throw new Error(
    "LocalStack needs Python 3.13, and there is none. Install it (python3.13 on the PATH, or 'pyenv install 3.13').",
  );
}
