import { askInPython } from "./ask-in-python.ts";

/**
 * A trainer that talks to the agent itself, without a helper, and takes its batches as the plan says, also between two steps. It keeps
 * what it trained: of each epoch its batches, by their first example, size and learning rate.
 */
const source = `
import json, os, socket, sys, time
size, resizes, wait = int(sys.argv[1]), sys.argv[2] == "resizes", float(sys.argv[3])
${askInPython}
def save(epoch, answer, **step):
    if answer["type"] != "folder": return
    with open(answer["folder"] + "/model.json", "w") as file: json.dump(model, file)
    ask(type="saved", epoch=epoch, **step)
def measured():
    if "measure" not in plan or not stretches: return {}
    return {"measured": {"stretches": stretches, "resizes": resizes, "optimizer": "SGD"}}
restored = ask(type="hello", protocol=1, helper="batching 1")["restored"]
model = {} if restored is None else json.load(open(restored["folder"] + "/model.json"))
while True:
    answer = ask(type="next")
    if answer["type"] == "end": break
    plan, resume, stretches = answer["plan"], answer.get("resume"), []
    epoch, since = plan["epoch"], 0
    taken, step = (resume["position"], resume["step"]) if resume else (0, 0)
    at_step, at_time = 0, 0
    while taken < size:
        batch, warm = min(plan["batchSize"], size - taken), plan.get("warmUp")
        scale = plan["learningRateScale"]
        if warm and since < warm["steps"]: scale = warm["from"] + (scale - warm["from"]) * since / warm["steps"]
        model.setdefault(str(epoch), []).append([taken, batch, scale])
        if not stretches or stretches[-1]["batchSize"] != plan["batchSize"]:
            stretches.append({"batchSize": plan["batchSize"], "microBatchSize": plan["batchSize"], "workers": 1, "steps": 0, "examples": 0})
        stretches[-1]["steps"] += 1; stretches[-1]["examples"] += batch
        stretches[-1]["timed"] = {"stepSeconds": 0.5, "steps": stretches[-1]["steps"]}
        taken += batch; step += 1; since += 1
        if step % 10 == 0: print("step", epoch, step, flush=True)
        time.sleep(wait)
        if step < at_step and time.monotonic() < at_time: continue
        answer = ask(type="step", epoch=epoch, step=step, position=taken, canSave=True, **measured())
        at_step, at_time = 0, 0
        if answer["type"] == "folder": save(epoch, answer, step=step)
        else:
            if "plan" in answer: plan, since = answer["plan"], 0
            at_step = answer["ask"].get("step", 1e18)
            at_time = time.monotonic() + answer["ask"]["seconds"]
    ask(type="report", epoch=epoch, metrics={"loss": 1 / epoch}, examples=taken, **measured())
    save(epoch, ask(type="checkpoint", epoch=epoch))
`;

/** `size` examples in an epoch; `resizes`: whether it says that it takes another batch size between two steps. */
export const batching = (size: number, resizes = true, stepSeconds = 0) => ({
  command: ["python3", "batching.py", String(size), resizes ? "resizes" : "stays", String(stepSeconds)],
  files: { "batching.py": source },
});
