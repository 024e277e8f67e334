import { describe, expect, test } from "vitest";
import { type PermissionRow, particulars, people } from "./permission-row.ts";
import { arnOf } from "./permission-things.ts";
import { optionalGrants } from "./permissions-by-choice.ts";
import { permissionsTable } from "./permissions-table.ts";
import { matches } from "./policy-conditions.ts";
import { type Answer, Permissions } from "./policy-evaluator.ts";
import { synthesised } from "./template.ts";
import { variants } from "./variants.ts";

const permissions = new Permissions(synthesised().toJSON());

const rows = permissionsTable.map(
  (row) =>
    [
      `${row.who} ${row.allowed ? "may" : "may not"} ${row.actions.join(", ")} on ${row.on.join(", ")} ${row.how ?? ""}`,
      row,
    ] as const,
);

/** Whether a row shows a grant, with an example of what it is for. */
const covers = ({ who, actions, on }: PermissionRow, action: string, resource: string): boolean =>
  actions.some((shown) => matches(action, shown)) &&
  on.some((thing) => matches(resource, arnOf(thing, who, permissions)));

describe("who may do what", () => {
  test.each(rows)("%s", (_words, { who, actions, on, allowed, how }) => {
    const answers = on.flatMap((thing) =>
      actions.map((action): [string, string, Answer] => {
        const resolved = Object.fromEntries(
          Object.entries(how === undefined ? {} : particulars[how]).map(([key, value]) => [
            key,
            key === "aws:SourceArn" ? arnOf(value, who, permissions) : value,
          ]),
        );
        const resource = arnOf(thing, who, permissions);
        return [action, thing, permissions.answer({ who: people[who], action, resource, context: resolved })];
      }),
    );
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.filter(([, , answer]) => (answer === "allowed") !== allowed)).toEqual([]);
  });

  test("the table leaves no role out, and nothing that a role is granted", () => {
    const known = Object.entries(people).flatMap(([name, person]) =>
      "role" in person ? [[name, person.role]] : [],
    );
    expect(known.map(([, role]) => role).sort()).toEqual(permissions.roles);
    for (const [name, role = ""] of known) {
      const shown = permissionsTable.filter(({ who, allowed }) => who === name && allowed);
      const missing = permissions
        .grantsOf(role)
        .filter(({ action, resource }) => !shown.some((row) => covers(row, action, resource)));
      expect({ role, missing }).toEqual({ role, missing: [] });
    }
  });

  test.each(optionalGrants.map((grant) => [grant.choice, grant] as const))(
    "%s adds only what the table of choices says",
    (_choice, { props, roles, actions }) => {
      const chosen = new Permissions(synthesised(props).toJSON());
      const had = (role: string) => (permissions.roles.includes(role) ? permissions.actionsOf(role) : []);
      const added = chosen.roles.flatMap((role) =>
        chosen
          .actionsOf(role)
          .filter((action) => !had(role).includes(action))
          .map((action) => ({ role, action })),
      );
      expect([...new Set(added.map(({ action }) => action))].sort()).toEqual([...actions].sort());
      expect([...new Set(added.map(({ role }) => role))].sort()).toEqual([...roles].sort());
    },
  );

  test("the choices together add nothing more", () => {
    const known = new Set([
      ...permissions.roles.flatMap((role) => permissions.actionsOf(role)),
      ...optionalGrants.flatMap(({ actions }) => actions),
    ]);
    for (const [name, props] of Object.entries(variants)) {
      const all = new Permissions(synthesised(props).toJSON());
      const more = all.roles.flatMap((role) => all.actionsOf(role)).filter((action) => !known.has(action));
      expect({ name, more }).toEqual({ name, more: [] });
    }
  });
});
