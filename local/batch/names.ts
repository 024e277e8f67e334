import { refused } from "./service-error.ts";

/** Where everything is said to be. */
export interface Account {
  readonly id: string;
  readonly region: string;
}

export const arnOf = ({ id, region }: Account, kind: string, name: string): string =>
  `arn:aws:batch:${region}:${id}:${kind}/${name}`;

/** A name, from itself or from its ARN. */
export const nameIn = (given: string, kind: string): string => {
  if (!given.startsWith("arn:")) return given;
  const [, name] = given.split(`:${kind}/`);
  if (name === undefined) throw refused(`${given} is not an ARN of a ${kind}`);
  return name;
};

const pattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

export function checkName(field: string, name: string): void {
  if (!pattern.test(name))
    throw refused(
      `Invalid ${field} '${name}': it must be 1 to 128 letters, digits, '-' or '_', and begin with a letter or digit`,
    );
}

export interface Paged<T> {
  readonly items: T[];
  readonly nextToken?: string;
}

/** One page of what is there; the token is how many came before. */
export function page<T>(
  all: readonly T[],
  { maxResults = 100, nextToken }: { maxResults?: number | undefined; nextToken?: string | undefined },
): Paged<T> {
  const start = nextToken === undefined ? 0 : Number(nextToken);
  if (!Number.isSafeInteger(start) || start < 0) throw refused(`Invalid nextToken '${nextToken}'`);
  const end = start + Math.min(maxResults, 100);
  return { items: all.slice(start, end), ...(end < all.length ? { nextToken: String(end) } : {}) };
}
