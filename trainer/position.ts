import type { DataPosition } from "../core/position.ts";
import { TrainerError } from "./error.ts";

const longest = 65_536;
const deepest = 64;
const next = "Give JSON: usually the number of examples taken so far, epoch.step(taken).";

/** From where in the data an epoch goes on: any JSON that the trainer understands. */
export type Position =
  | null
  | boolean
  | number
  | string
  | readonly Position[]
  | { readonly [name: string]: Position };

const refuse = (what: string): TrainerError =>
  new TrainerError("MISUSE", `A position must be JSON: ${what}.`, { next });

const kind = (value: unknown): string =>
  typeof value === "object" && value !== null ? (value.constructor?.name ?? "an object") : typeof value;

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

function plain(value: unknown, where: string, outer: readonly object[]): DataPosition {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refuse(`${where} is ${value}, which JSON does not have`);
    return value;
  }
  const isArray = Array.isArray(value);
  if (typeof value !== "object" || !(isArray || isPlain(value))) {
    throw refuse(`${where} is of type ${kind(value)}`);
  }
  if (outer.includes(value)) throw refuse(`${where} holds itself`);
  if (outer.length >= deepest) throw refuse(`it is nested more than ${deepest} deep`);
  const inner = [...outer, value];
  // Array.from, since map passes over holes.
  if (isArray) return Array.from(value, (entry: unknown, place) => plain(entry, `${where}[${place}]`, inner));
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [
      name,
      plain(entry, `${where}[${JSON.stringify(name)}]`, inner),
    ]),
  );
}

/** A copy of `position` in what JSON has, as it will be given back. Throws TrainerError. */
export function wirePosition(position: unknown): DataPosition {
  const copy = plain(position, "it", []);
  const { length } = JSON.stringify(copy);
  if (length <= longest) return copy;
  throw new TrainerError(
    "MISUSE",
    `A position must be at most ${longest} characters of JSON, not ${length}.`,
    {
      next: "Keep what is large in the checkpoint, and the place in it as the position.",
    },
  );
}

/** Whether `now` is before `before`: of two numbers, or of two arrays of as many numbers; others have no order. */
export function goesBack(before: Position | undefined, now: Position): boolean {
  if (typeof before === "number" && typeof now === "number") return now < before;
  if (!Array.isArray(before) || !Array.isArray(now) || before.length !== now.length) return false;
  if (![...before, ...now].every((entry) => typeof entry === "number")) return false;
  const first = now.findIndex((entry, place) => entry !== before[place]);
  return first >= 0 && now[first] < before[first];
}
