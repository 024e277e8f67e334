import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KeptCheckpoint } from "../core/run-state.ts";
import type { Chance } from "./chance.ts";
import type { FaultKind } from "./faults.ts";

type Damage = Extract<FaultKind, `damage: ${string}`>;

const kinds = [
  "damage: flipped bit",
  "damage: truncated",
  "damage: file gone",
  "damage: manifest gone",
  "damage: manifest torn",
] as const satisfies readonly Damage[];

/** Does harm to one of the kept checkpoints on the disk, the newest more often than not. */
export function damage(
  checkpoints: string,
  kept: readonly KeptCheckpoint[],
  chance: Chance,
): { readonly kind: Damage; readonly name: string } | undefined {
  const newest = chance.happens("the newest", 0.7) ? kept.at(-1) : undefined;
  const victim = newest ?? kept[Math.floor(chance.number("victim") * kept.length)];
  if (victim === undefined) return undefined;
  const folder = join(checkpoints, victim.name);
  const kind = chance.of("damage", kinds);
  try {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== "manifest.json")
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    const file = files[Math.floor(chance.number("file") * files.length)];
    const manifest = join(folder, "manifest.json");
    if (kind === "damage: manifest gone") rmSync(manifest);
    else if (kind === "damage: manifest torn") truncateSync(manifest, statSync(manifest).size >> 1);
    else if (file === undefined) return undefined;
    else if (kind === "damage: file gone") rmSync(file);
    else if (kind === "damage: truncated") truncateSync(file, statSync(file).size >> 1);
    else flipBit(file, chance);
  } catch {
    return undefined;
  }
  return { kind, name: victim.name };
}

function flipBit(file: string, chance: Chance): void {
  const bytes = readFileSync(file);
  const at = Math.floor(chance.number("bit") * bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  // A new file: an open one, or a second name of it, must not change.
  rmSync(file);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, bytes);
}
