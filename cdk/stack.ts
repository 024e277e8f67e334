import { type App, CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { stackOutputs } from "../core/stack.ts";
import packageJson from "../package.json" with { type: "json" };
import { refuseUnknownKeys, stackFromContext } from "./context.ts";
import { Pawl, type PawlProps } from "./pawl.ts";

export interface PawlStackProps extends StackProps, Omit<PawlProps, "name"> {}

/** A stack of Pawl alone, with what the command line asks for as outputs. */
export class PawlStack extends Stack {
  /**
   * The stack that an app's context describes (docs/deploy.md), for an app of Pawl alone.
   *
   * @throws RangeError for a key or a value that cannot be, by what is allowed.
   */
  static fromContext(app: App): PawlStack {
    refuseUnknownKeys(app);
    const { stackName, props } = stackFromContext(app);
    return new PawlStack(app, stackName, props);
  }

  constructor(scope: Construct, id: string, props: PawlStackProps = {}) {
    super(scope, id, { description: `Pawl ${packageJson.version}: trains on spot GPUs`, ...props });
    // CDK leaves `Default` out of the names that it makes.
    const pawl = new Pawl(this, "Default", props);
    const output = (key: keyof typeof stackOutputs, value: string, description: string) =>
      new CfnOutput(this, stackOutputs[key], { value, description });
    output("version", packageJson.version, "The version of Pawl that was deployed");
    output("name", pawl.name, "What the names of queues and job definitions begin with");
    output("bucket", pawl.bucket.bucketName, "Where runs live");
    output("stateMachine", pawl.stateMachine.stateMachineArn, "Start an execution of it to train");
    output("stop", pawl.stop.functionName, "Is asked to stop a run");
    output(
      "offers",
      this.toJsonString(pawl.offers),
      "What a job can have: images, instance types, virtual CPUs",
    );
  }
}
