/** A family (`g5`, `p6-b200`) or a type of it (`g5.xlarge`). */
const kindPattern = /^([a-z]+[0-9]*[a-z]*-?[a-z0-9]*)(\.[a-z0-9-]+)?$/;

/** AWS's own processors: a `g` among what follows the generation's number; the first generation had no number of its own. */
const arm = /^(a1|[a-z]+\d+[a-z]*g[a-z]*|[a-z]+\d+[a-z]*-gb\d+)(\.|$)/;

const instanceTypesRule = "instance types (g5.xlarge) or families (g5) of x86-64";

/**
 * What Batch may start, as it takes it: in order, none twice.
 *
 * @throws RangeError for what is no such name, for `optimal` (which would be whatever is there, without GPUs), and for arm64: the
 * agent's Node is for x86-64.
 */
export function checkedInstanceKinds(names: readonly string[]): string[] {
  if (names.length === 0)
    throw new RangeError(`instanceTypes is empty: name at least one of ${instanceTypesRule}`);
  for (const name of names) {
    if (arm.test(name)) {
      throw new RangeError(
        `instanceTypes has '${name}', whose processors are arm64: only ${instanceTypesRule} are allowed, since the agent's Node is for x86-64`,
      );
    }
    if (!kindPattern.test(name) || !/\d/.test(name))
      throw new RangeError(`instanceTypes has '${name}': only ${instanceTypesRule} are allowed`);
  }
  return [...new Set(names)];
}
