/** Maps that people fill: their keys are left as they are. */
const asGiven: readonly string[] = ["Tags", "Parameters", "Options"];

/** A service's answer in the casing in which Step Functions gives it to a state machine. */
export function pascalCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pascalCase);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name = key.charAt(0).toUpperCase() + key.slice(1);
      return [name, asGiven.includes(name) ? inner : pascalCase(inner)];
    }),
  );
}
