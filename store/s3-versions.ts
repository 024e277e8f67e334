import { randomBytes } from "node:crypto";

/**
 * What stands for one write of an object: its ETag, which S3 compares, and the marks of the latest writes, newest first.
 * An ETag follows from the bytes alone, so that only the marks tell two writes of the same bytes apart. A write's mark
 * stays through the replacements after it: a writer whose answer was lost finds out by it that its write was done.
 */
export interface S3Version {
  readonly etag: string;
  readonly marks: readonly string[];
}

/** How many replacements a lost answer may be late. */
const keptMarks = 16;

const metadataName = "pawl-writes";

export const formatVersion = ({ etag, marks }: S3Version): string =>
  marks.length === 0 ? etag : `${etag} ${marks.join(".")}`;

/** `undefined` for what is no version of an S3 store, and so of no object there. */
export function parseVersion(version: string): S3Version | undefined {
  const [, etag, marks] = /^("[^"\s]+")(?: ([\w.-]+))?$/.exec(version) ?? [];
  return etag === undefined ? undefined : { etag, marks: marks?.split(".") ?? [] };
}

/** The marks of a new write that replaces what has the marks `before`. */
export const newMarks = (before: readonly string[] = []): readonly string[] => [
  randomBytes(12).toString("base64url"),
  ...before.slice(0, keptMarks - 1),
];

export const marksMetadata = (marks: readonly string[]): Record<string, string> => ({
  [metadataName]: marks.join("."),
});

/** The version that an answer speaks of. */
export function versionOf(answer: {
  readonly ETag?: string | undefined;
  readonly Metadata?: Record<string, string> | undefined;
}): S3Version {
  const marks = answer.Metadata?.[metadataName];
  return { etag: answer.ETag ?? '""', marks: marks === undefined || marks === "" ? [] : marks.split(".") };
}
