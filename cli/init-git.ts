import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

const entry = ".pawl/";

/** Lines that keep the store of a folder, or of any folder, out of git. */
const covers = /^\/?(\*\*\/)?\.pawl(\/|\/\*\*?)?$/;

/** What `.gitignore` in `folder` must become for git to leave the store alone; nothing where it does already. */
export async function gitIgnore(
  folder: string,
): Promise<{ before: string | undefined; after: string } | undefined> {
  let ignored = false;
  for (let place = folder; ; place = dirname(place)) {
    const text = await readFile(join(place, ".gitignore"), "utf8").catch(() => "");
    // A line that begins with '/' speaks of its own folder alone.
    ignored ||= text
      .split("\n")
      .some((line) => covers.test(line.trim()) && (place === folder || !line.startsWith("/")));
    if (await exists(join(place, ".git"))) break;
    if (dirname(place) === place) return undefined;
  }
  if (ignored) return undefined;
  const before = await readFile(join(folder, ".gitignore"), "utf8").catch(() => undefined);
  const joint = before === undefined || before === "" || before.endsWith("\n") ? "" : "\n";
  return { before, after: `${before ?? ""}${joint}${entry}\n` };
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
