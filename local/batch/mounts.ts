/** A path in containers, and the folder of this machine that stands for it. */
export interface Mount {
  readonly container: string;
  readonly host: string;
}

/** A path of a container as this machine's; what is below no mount is left as it is. */
export function onHost(mounts: readonly Mount[], text: string): string {
  // The longest fits best: one mount can be inside another.
  const fitting = mounts
    .filter(({ container }) => text === container || text.startsWith(`${container}/`))
    .toSorted((one, other) => other.container.length - one.container.length)[0];
  return fitting === undefined ? text : fitting.host + text.slice(fitting.container.length);
}

/** The command's words with the parameters that they refer to (`Ref::name`); one that is not given stays as it is. */
export const withParameters = (
  command: readonly string[],
  parameters: Readonly<Record<string, string>>,
): string[] =>
  command.map((word) => word.replaceAll(/Ref::([\w-]+)/g, (ref, name) => parameters[name] ?? ref));
