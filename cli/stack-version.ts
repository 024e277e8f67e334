import { PawlError } from "../core/errors.ts";

interface Versions {
  readonly stack: string;
  readonly region: string;
  /** What was deployed. */
  readonly version: string;
  /** Of this command line. */
  readonly own: string;
}

const partsOf = (version: string): readonly [number, number] | undefined => {
  const [, major, minor] = /^(\d+)\.(\d+)\.\d+/.exec(version) ?? [];
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)];
};

/** Throws STACK_VERSION where the two differ by more than a patch: they could misread each other. */
export function checkStackVersion({ stack, region, version, own }: Versions): void {
  const [theirs, ours] = [partsOf(version), partsOf(own)];
  if (theirs !== undefined && ours !== undefined && theirs[0] === ours[0] && theirs[1] === ours[1]) return;
  const isOlder =
    theirs === undefined ||
    ours === undefined ||
    theirs[0] < ours[0] ||
    (theirs[0] === ours[0] && theirs[1] < ours[1]);
  const next = isOlder
    ? `Deploy it again with this version ('npx cdk deploy'; runs go on), or use the command line of ${version || "that version"}.`
    : `Install pawl ${version}: 'npm install pawl@${version}'.`;
  throw new PawlError(
    "STACK_VERSION",
    `the stack ${stack} in ${region} is of version ${version || "unknown"}, ${isOlder ? "older" : "newer"} than this command line, ${own}`,
    { next, details: { stack, region, version, own } },
  );
}
