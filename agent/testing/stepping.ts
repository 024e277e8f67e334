import { askInPython } from "./ask-in-python.ts";

/**
 * A trainer that talks to the agent itself, without a helper: each example of an epoch changes a number, in an order that
 * matters, so that what it ends with shows whether each came once and in its place.
 */
const source = `
import json, os, socket, sys, time
steps, wait, saves = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
${askInPython}
def say(*words): print(*words, flush=True)
def save(epoch, answer, **step):
    if answer["type"] != "folder": return
    say("saving", epoch, step.get("step", "end"))
    time.sleep(saves)
    with open(answer["folder"] + "/model.json", "w") as file: json.dump(model, file)
    ask(type="saved", epoch=epoch, **step)
    say("saved", epoch, step.get("step", "end"))
restored = ask(type="hello", protocol=1, helper="stepping 1")["restored"]
model = {"value": 1, "examples": {}}
if restored is not None: model = json.load(open(restored["folder"] + "/model.json"))
say("restored", restored and restored["epoch"], restored and restored.get("step"))
while True:
    answer = ask(type="next")
    if answer["type"] == "end": break
    epoch, resume = answer["plan"]["epoch"], answer.get("resume")
    taken = resume["position"]["taken"] if resume else 0
    step = resume["step"] if resume else 0
    say("begin", epoch, "at", taken)
    at_step, at_time = 0, 0
    while taken < steps:
        model["value"] = (model["value"] * 31 + epoch * 1009 + taken) % 1000000007
        model["examples"].setdefault(str(epoch), []).append(taken)
        taken += 1; step += 1
        if taken % 20 == 0: say("step", epoch, step)
        time.sleep(wait)
        if step < at_step and time.monotonic() < at_time: continue
        answer = ask(type="step", epoch=epoch, step=step, position={"taken": taken}, canSave=True)
        at_step, at_time = 0, 0
        if answer["type"] == "folder": save(epoch, answer, step=step)
        else:
            at_step = answer["ask"].get("step", 1e18)
            at_time = time.monotonic() + answer["ask"]["seconds"]
    ask(type="report", epoch=epoch, metrics={"loss": 1 / epoch}, examples=taken)
    save(epoch, ask(type="checkpoint", epoch=epoch))
`;

/** `steps` in an epoch, `stepSeconds` each; a save takes `saveSeconds`. */
export const stepping = (steps: number, stepSeconds: number, saveSeconds = 0) => ({
  command: ["python3", "stepping.py", String(steps), String(stepSeconds), String(saveSeconds)],
  files: { "stepping.py": source },
});

/** What such a trainer has learned after so many epochs, if nothing happened. */
export function learned(epochs: number, steps: number): string {
  let value = 1;
  const examples: Record<string, number[]> = {};
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    for (let taken = 0; taken < steps; taken += 1)
      value = Number((BigInt(value) * 31n + BigInt(epoch * 1009 + taken)) % 1_000_000_007n);
    examples[epoch] = Array.from({ length: steps }, (_, taken) => taken);
  }
  return JSON.stringify({ value, examples });
}
