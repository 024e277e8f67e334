import { join } from "node:path";
import { outputs, StandInAws } from "../cli/testing/stand-in-aws.ts";
import { FakeWorld } from "../lambdas/testing/fake-world.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { openStore } from "../store/open-store.ts";
import { countProject, type Project } from "./projects.ts";

/** A stack `Pawl` on stand-ins for AWS, with a project to train on it and the functions' real decisions. */
export interface StackScene {
  readonly aws: StandInAws;
  readonly store: ObjectStore;
  readonly world: FakeWorld;
  readonly folder: Project;
  /** Ends the stand-ins, and puts the environment back. */
  end(): Promise<void>;
}

export async function stackScene(...project: Parameters<typeof countProject>): Promise<StackScene> {
  const aws = await StandInAws.start();
  aws.stacks.push({ name: "Pawl", outputs: outputs() });
  const before = Object.keys(aws.env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, aws.env);
  const store = await openStore("s3://pawl-bucket");
  const folder = await countProject(...project);
  const world = new FakeWorld(join(folder.path, "world"), store);
  return {
    aws,
    store,
    world,
    folder,
    async end() {
      await aws[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    },
  };
}
