import { Chance } from "../chance.ts";
import type { FaultKind } from "../faults.ts";
import { type Fate, fateKinds, fates } from "./fates.ts";

export type StoreFault = "store: request lost" | "store: answer lost" | "store: cut in a body";
export type FunctionFault = Extract<FaultKind, `function: ${string}`>;
export type SubmissionFault = "submitted twice" | "submission refused";

/**
 * Decides what goes wrong, by the seed of a run, and counts it. Until `calm`, which is when a run has had enough: then
 * nothing goes wrong any more, and it must come to its end.
 */
export class Harm {
  readonly chance: Chance;
  readonly injected = new Map<FaultKind, number>();
  /** Called for each fault. */
  onFault: (kind: FaultKind, of: string) => void = () => {};
  #calm: boolean;
  readonly #rates: ReadonlyMap<string, number>;

  constructor(seed: string, calm = false) {
    this.chance = new Chance(`harm ${seed}`);
    this.#calm = calm;
    // Some runs suffer from one kind of thing above all, some from all of them.
    const rate = (what: string) => (this.chance.happens(what, 0.4) ? 0 : this.chance.between(what, 0.2, 2));
    this.#rates = new Map(
      ["fate", "store", "function", "submission", "around"].map((what) => [what, rate(what)]),
    );
  }

  get calm(): boolean {
    return this.#calm;
  }

  cease(): void {
    this.#calm = true;
  }

  note(kind: FaultKind, of: string): void {
    this.injected.set(kind, (this.injected.get(kind) ?? 0) + 1);
    this.onFault(kind, of);
  }

  /** Whether something happens that does with the given probability in a run of the middling kind. */
  strikes(family: string, what: string, probability: number): boolean {
    if (this.#calm) return false;
    return this.chance.happens(what, probability * (this.#rates.get(family) ?? 1));
  }

  /** Of a job that starts now; it is noted when it comes true. */
  fate(meanSeconds: number): Fate | undefined {
    if (!this.strikes("fate", "fate", 0.6)) return undefined;
    const kind = this.chance.weighted("which fate", fateKinds, (name) => fates[name].weight);
    return { kind, after: this.chance.exponential("when", meanSeconds) };
  }

  ofStore(operation: string, key: string): StoreFault | undefined {
    if (!this.strikes("store", `store ${operation}`, 0.004)) return undefined;
    const writes = operation === "create" || operation === "replace" || operation === "remove";
    const kind = writes
      ? this.chance.of("store fault", ["store: request lost", "store: answer lost"] as const)
      : this.chance.of("store fault", ["store: request lost", "store: cut in a body"] as const);
    const told = kind === "store: cut in a body" && operation !== "open" ? "store: request lost" : kind;
    this.note(told, `${operation} ${key}`);
    return told;
  }

  ofFunction(name: string): FunctionFault | undefined {
    if (!this.strikes("function", `function ${name}`, 0.06)) return undefined;
    const kind = this.chance.of("function fault", [
      "function: crash after its entry",
      "function: crash after its entry",
      "function: crash",
      "function: delivered twice",
      "function: delivered twice",
      "function: delivered late",
      "function: throttled",
    ] as const);
    this.note(kind, name);
    return kind;
  }

  ofSubmission(): SubmissionFault | undefined {
    if (!this.strikes("submission", "submission", 0.12)) return undefined;
    const kind = this.chance.of("submission fault", [
      "submitted twice",
      "submitted twice",
      "submitted twice",
      "submission refused",
    ] as const);
    this.note(kind, "SubmitJob");
    return kind;
  }
}
