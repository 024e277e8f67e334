import type { BadInput } from "./case.ts";

const cause = '{"StatusReason": "x"}';

/** What can be read is diagnosed, whatever it is; only what cannot is wrong. */
export const diagnosing: readonly BadInput[] = [
  {
    what: "diagnose: a file that is not there",
    start: "nothing",
    args: ["diagnose", "no.json"],
    code: "INPUT_UNREADABLE",
    says: ["no.json", "there is no such file", "a cause, a Batch job or a log"],
  },
  {
    what: "diagnose: a folder",
    start: "nothing",
    args: ["diagnose", "sub"],
    files: { "sub/x": "" },
    code: "INPUT_UNREADABLE",
    says: ["sub cannot be read: it is a folder"],
  },
  {
    what: "diagnose: a file below a file",
    start: "nothing",
    args: ["diagnose", "cause.json/x"],
    files: { "cause.json": cause },
    code: "INPUT_UNREADABLE",
    says: ["cause.json/x", "not a folder"],
  },
  {
    what: "diagnose: a device",
    start: "nothing",
    args: ["diagnose", "/dev/zero"],
    code: "INPUT_UNREADABLE",
    says: ["/dev/zero", "it is a device"],
  },
  {
    what: "diagnose: an empty name",
    start: "nothing",
    args: ["diagnose", ""],
    code: "INPUT_UNREADABLE",
    says: ['"" cannot be read'],
  },
  {
    what: "diagnose: a file that may not be read",
    start: "nothing",
    asNobody: true,
    args: ["diagnose", "secret.json"],
    files: { "secret.json": cause },
    prepare: async ({ folder }) => {
      const { chmod } = await import("node:fs/promises");
      await chmod(`${folder}/secret.json`, 0);
      return undefined;
    },
    code: "INPUT_UNREADABLE",
    says: ["secret.json", "permission is denied"],
  },
  {
    what: "diagnose: links that go round",
    start: "nothing",
    args: ["diagnose", "round.json"],
    prepare: async ({ folder }) => {
      const { symlink } = await import("node:fs/promises");
      await symlink("round.json", `${folder}/round.json`);
      return undefined;
    },
    code: "INPUT_UNREADABLE",
    says: ["round.json", "round in circles"],
  },
  {
    what: "diagnose: two files",
    start: "nothing",
    args: ["diagnose", "a.json", "b.json"],
    code: "USAGE",
    says: ["pawl help COMMAND"],
  },
];
