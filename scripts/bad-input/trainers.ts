import { fileURLToPath } from "node:url";
import type { WrongTrainer } from "./case.ts";

const helper = fileURLToPath(new URL("../../trainer/index.ts", import.meta.url));

interface Wrong {
  readonly what: string;
  readonly says: readonly string[];
  /** In each of three steps, and between the report and the checkpoint. */
  readonly step?: string;
  readonly afterReport?: string;
}

const inPython = ({
  step = "epoch.step(position=i + 1)",
  afterReport = "pass",
}: Wrong): string => `import pawl

def save(into):
    (into / "model.txt").write_text("x")

for epoch in pawl.epochs(save=save):
    for i in range(epoch.position or 0, 3):
        ${step}
    epoch.report(loss=1)
    ${afterReport}
    epoch.checkpoint()
`;

const inJavaScript = ({ step = "await epoch.step(i + 1)", afterReport = "" }: Wrong): string => `
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { epochs } from ${JSON.stringify(helper)};

const save = (into) => writeFile(join(into, "model.txt"), "x");

for await (const epoch of epochs({ save })) {
  for (let i = epoch.position ?? 0; i < 3; i += 1) {
    ${step};
  }
  await epoch.report({ loss: 1 });
  ${afterReport};
  await epoch.checkpoint();
}
`;

const mustBeJson = "A position must be JSON: ";
const goesBack = ["Epoch 1 goes back in the data: it was at 2 and is now at 1", "begin with epoch.position"];

const python: readonly Wrong[] = [
  {
    what: "a position that is no JSON",
    step: "epoch.step(position={i})",
    says: [`${mustBeJson}it is of type set`, "epoch.step(position=taken)"],
  },
  {
    what: "a position that is far too long",
    step: 'epoch.step(position="x" * 70_000)',
    says: [
      "A position must be at most 65536 characters of JSON, not 70002",
      "Keep what is large in the checkpoint",
    ],
  },
  {
    what: "no position",
    step: "epoch.step()",
    says: ["step() was not told from where in the data training would go on"],
  },
  { what: "a step that goes back", step: "epoch.step(position=2 - i)", says: goesBack },
  {
    what: "a step after the report",
    afterReport: "epoch.step(position=3)",
    says: ["Epoch 1 has been reported already; its steps belong before that"],
  },
];

const javaScript: readonly Wrong[] = [
  {
    what: "a position that is no JSON",
    step: "await epoch.step(new Map())",
    says: [`${mustBeJson}it is of type Map`, "epoch.step(taken)"],
  },
  {
    what: "a position that holds itself",
    step: "const it = []; it.push(it); await epoch.step(it)",
    says: [`${mustBeJson}it[0] holds itself`],
  },
  { what: "a step that goes back", step: "await epoch.step(2 - i)", says: goesBack },
  {
    what: "a step after the report",
    afterReport: "await epoch.step(3)",
    says: ["Epoch 1 has been reported already; its steps belong before that"],
  },
];

const wrongTrainer = (
  language: string,
  program: string,
  file: string,
  text: string,
  wrong: Wrong,
): WrongTrainer => ({
  what: `a trainer in ${language}: ${wrong.what}`,
  start: "nothing",
  args: ["train"],
  files: {
    [file]: text,
    "pawl.yaml": JSON.stringify({
      name: "wrong",
      command: [program, file],
      epochs: 2,
      checkpoint: { every: { steps: 1 } },
      retry: { baseDelay: "0s" },
    }),
  },
  failed: "user-exception",
  says: wrong.says,
});

/** Trainers that call the helper wrongly: they are told so, and the run ends. */
export const wrongTrainers: readonly WrongTrainer[] = [
  ...python.map((wrong) => wrongTrainer("Python", "python3", "train.py", inPython(wrong), wrong)),
  ...javaScript.map((wrong) =>
    wrongTrainer("JavaScript", process.execPath, "train.mjs", inJavaScript(wrong), wrong),
  ),
];
