import type { ErrorCode } from "../../core/errors.ts";
import type { FailureClass } from "../../core/failure.ts";

/** Told in words, or with --json, which tells the words on stderr as well. */
export type Mode = "words" | "json";

/** What a case starts from: nothing, a job that was never trained, or that job with a finished run `count-1`. */
export type Start = "nothing" | "job" | "trained";

/** What a case can do beforehand, and what it is run with. */
export interface Scene {
  readonly folder: string;
  /** The environment of the command; may be added to. */
  readonly env: Record<string, string | undefined>;
}

/** Something that a person gets wrong. */
export interface Case {
  /** What is wrong, in a few words; unique. */
  readonly what: string;
  /** What is typed after `pawl`; `FOLDER` stands for the case's own folder. */
  readonly args: readonly string[];
  readonly start?: Start;
  /** Written over what it starts from. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Done before the tree is looked at for the first time; what it gives is disposed of in the end. */
  readonly prepare?: (scene: Scene) => Promise<AsyncDisposable | undefined>;
  /** Runs it as a user who may not do everything. */
  readonly asNobody?: true;
  /** Runs it with a file system of its own at `store`, made by `mount -t tmpfs -o OPTIONS`, in which `script` was run. */
  readonly mount?: { readonly options: string; readonly script: string };
  /** What the message or its next step says: the name, field or value in question. */
  readonly says: readonly string[];
  /** How it is run; both ways, unless the command has no --json, or one way says all. */
  readonly modes?: readonly Mode[];
}

/** What is refused: nothing has begun, and nothing has changed. */
export interface BadInput extends Case {
  readonly code: ErrorCode;
  /** What must not be printed. */
  readonly secrets?: readonly string[];
  /** What may be said before the error, by a command that has begun: why it has. */
  readonly begun?: string;
}

/** A trainer that does something wrong: its run fails, and says what. */
export interface WrongTrainer extends Case {
  readonly failed: FailureClass;
}

/** One wrong field of a job: what is given, and what is said. */
export interface WrongField {
  readonly what: string;
  readonly more: Readonly<Record<string, string | undefined>>;
  readonly says: readonly string[];
}

/** What one call of the command line did. */
export interface Observed {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What has changed in the folder. */
  readonly changes: readonly string[];
  /** Processes that it left. */
  readonly processes: readonly number[];
}

const fields: Readonly<Record<string, string>> = { name: "x", command: "[sh, train.sh]", epochs: "3" };

/** A job file with `more` on top of what is needed; `undefined` leaves a field out. */
export const jobText = (more: Readonly<Record<string, string | undefined>> = {}): string =>
  Object.entries({ ...fields, ...more })
    .flatMap(([field, value]) => (value === undefined ? [] : [`${field}: ${value}\n`]))
    .join("");
