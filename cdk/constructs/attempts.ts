import { Aws, RemovalPolicy, Size } from "aws-cdk-lib";
import * as batch from "aws-cdk-lib/aws-batch";
import * as ecs from "aws-cdk-lib/aws-ecs";
import type * as iam from "aws-cdk-lib/aws-iam";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { containerVariables, definitionSuffix, jobDefinitionName } from "../../core/stack.ts";
import { attemptRole, executionRole } from "./attempt-roles.ts";
import { agentMount, scratchFolder, stopSeconds } from "./container-folders.ts";
import { checkedImages, checkIsolatedImages } from "./images.ts";

export interface AttemptsOptions {
  /**
   * The images that jobs can name, by their names; Linux on x86-64 with glibc 2.28 or later, as they are: the agent and its Node
   * come from the instance. `default`, for jobs that name none, is a plain Python on Debian unless given.
   */
  readonly images?: Readonly<Record<string, string>>;
  /** What `/dev/shm` may grow to, out of the job's memory: data loaders share tensors by it. Default: 4096. */
  readonly sharedMemoryMebibytes?: number;
  /** For how long logs are kept. Default: a month. */
  readonly logRetention?: logs.RetentionDays;
}

export interface AttemptsProps extends AttemptsOptions {
  readonly bucket: IBucket;
  /** The function that attempts ask what to train. */
  readonly review: IFunction;
  /** What the names of queues and job definitions begin with. */
  readonly name: string;
  /** Whether the images bring the agent themselves. */
  readonly agentInImages?: boolean;
  /** Whether instances reach nothing but AWS's own services. */
  readonly isolated?: boolean;
}

const defaultSharedMemoryMebibytes = 4096;

/**
 * What attempts run in: a job definition for each image, with a GPU and without, since a submission can ask for another number of
 * GPUs but not take a definition's away. Named by us: a revision is never named, so a running execution goes on over a deployment.
 */
export class Attempts extends Construct {
  readonly definitions: readonly batch.EcsJobDefinition[];
  readonly definitionNames: readonly string[];

  constructor(scope: Construct, id: string, props: AttemptsProps) {
    super(scope, id);
    const { logRetention: retention = logs.RetentionDays.ONE_MONTH } = props;
    const images = checkedImages(props.images, props.agentInImages);
    if (props.isolated === true) checkIsolatedImages(images);
    const logGroup = new logs.LogGroup(this, "Logs", { retention, removalPolicy: RemovalPolicy.DESTROY });
    const roles = {
      jobRole: attemptRole(this, "Role", props),
      executionRole: executionRole(this, "ExecutionRole", { logGroup, images: Object.values(images) }),
    };
    const definitions = Object.entries(images).flatMap(([imageName, image]) =>
      [1, 0].map((gpus) => {
        const suffix = definitionSuffix(imageName, gpus);
        const name = jobDefinitionName(props.name, suffix);
        return {
          name,
          definition: this.definition(suffix, name, { ...props, image, gpus, logGroup, ...roles }),
        };
      }),
    );
    this.definitions = definitions.map(({ definition }) => definition);
    this.definitionNames = definitions.map(({ name }) => name);
  }

  private definition(suffix: string, name: string, attempt: Attempt): batch.EcsJobDefinition {
    const scope = new Construct(this, suffix);
    return new batch.EcsJobDefinition(scope, "Definition", {
      jobDefinitionName: name,
      // Recover alone decides on another attempt.
      retryAttempts: 1,
      // Else a deployment would deregister the revision that a job in the queue was submitted with.
      skipDeregisterOnUpdate: true,
      container: container(scope, attempt),
    });
  }
}

interface Attempt extends AttemptsProps {
  readonly image: string;
  readonly gpus: number;
  readonly logGroup: logs.ILogGroup;
  readonly jobRole: iam.IRole;
  readonly executionRole: iam.IRole;
}

const container = (scope: Construct, attempt: Attempt): batch.EcsEc2ContainerDefinition =>
  new batch.EcsEc2ContainerDefinition(scope, "Container", {
    image: ecs.ContainerImage.fromRegistry(attempt.image),
    command: [`${agentMount}/bin/node`, `${agentMount}/agent.mjs`],
    // Every submission says what it needs.
    cpu: 1,
    memory: Size.gibibytes(2),
    ...(attempt.gpus > 0 ? { gpu: attempt.gpus } : {}),
    environment: {
      [containerVariables.store]: `s3://${attempt.bucket.bucketName}`,
      [containerVariables.review]: attempt.review.functionName,
      // Where the agent looks for a spot notice. Batch's containers have the instance's own network.
      [containerVariables.metadata]: "http://169.254.169.254",
      [containerVariables.scratch]: scratchFolder,
      [containerVariables.stopSeconds]: String(stopSeconds),
      // Batch tells its containers nothing of it, and an image can have one of its own.
      AWS_REGION: Aws.REGION,
    },
    volumes: [...(attempt.agentInImages === true ? [] : [agentVolume()]), scratchVolume()],
    linuxParameters: new batch.LinuxParameters(scope, "Linux", {
      initProcessEnabled: true, // ends what a trainer leaves behind
      sharedMemorySize: Size.mebibytes(attempt.sharedMemoryMebibytes ?? defaultSharedMemoryMebibytes),
    }),
    jobRole: attempt.jobRole,
    executionRole: attempt.executionRole,
    logging: ecs.LogDriver.awsLogs({ streamPrefix: "attempt", logGroup: attempt.logGroup }),
  });

const agentVolume = () =>
  batch.EcsVolume.host({ name: "agent", hostPath: agentMount, containerPath: agentMount, readonly: true });

const scratchVolume = () =>
  batch.EcsVolume.host({ name: "scratch", hostPath: scratchFolder, containerPath: scratchFolder });
