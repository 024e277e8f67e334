import type { PermissionRow } from "../infra-test/permission-row.ts";
import { optionalGrants } from "../infra-test/permissions-by-choice.ts";
import { permissionsTable } from "../infra-test/permissions-table.ts";

const code = (text: string): string => `\`${text}\``;

/** Things whose names are keys in the bucket are shown as such. */
const thing = (name: string): string =>
  name.startsWith("bucket/") ? code(name.slice("bucket/".length).replace(/[0-9a-f]{64}/, "…")) : name;

/** Only where the answer hangs on it: what is refused in any case is refused with it, too. */
const particular = ({ allowed, how, actions }: PermissionRow): string =>
  how === undefined || (!allowed && how === "with If-None-Match") || !tellsApart(actions, how)
    ? ""
    : ` ${how}`;

const tellsApart = (actions: readonly string[], how: string): boolean =>
  !how.endsWith("If-None-Match") || actions.includes("s3:PutObject");

export const permissionColumns = ["who", "may", "what", "on", "why"] as const;

/** The table of who may do what, in words: a line for each row, or for all rows that say the same of several. */
export function permissionRows(): string[][] {
  const lines = new Map<string, { readonly said: string[]; readonly who: string[] }>();
  for (const row of permissionsTable) {
    const said = [
      row.allowed ? "yes" : "no",
      row.actions.map(code).join(", "),
      `${row.on.map(thing).join(", ")}${particular(row)}`,
      row.why,
    ];
    const line = lines.get(said.join("|"));
    if (line === undefined) lines.set(said.join("|"), { said, who: [row.who] });
    else line.who.push(row.who);
  }
  return [...lines.values()].map(({ said, who }) => [who.join(", "), ...said]);
}

export const optionalGrantColumns = ["what is chosen", "who", "may also", "on", "why"] as const;

export const optionalGrantRows = (): string[][] =>
  optionalGrants.map(({ choice, who, actions, on, why }) => [
    choice,
    who,
    actions.map(code).join(", "),
    on,
    why,
  ]);
