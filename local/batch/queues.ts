import { randomUUID } from "node:crypto";
import * as z from "zod";
import type { InstanceFacts } from "./instance.ts";
import { type Account, arnOf, checkName, nameIn, page } from "./names.ts";
import { refused } from "./service-error.ts";
import {
  CreateComputeEnvironment,
  CreateJobQueue,
  Page,
  UpdateComputeEnvironment,
  UpdateJobQueue,
} from "./shapes.ts";

type Environment = z.output<typeof CreateComputeEnvironment> & { readonly computeEnvironmentArn: string };
type Queue = z.output<typeof CreateJobQueue> & { readonly jobQueueArn: string };

/** What is created is usable at once. */
const valid = { status: "VALID", statusReason: "ComputeEnvironment Healthy" };

/** The account's compute environments and job queues. */
export class Queues {
  readonly #account: Account;
  readonly #environments = new Map<string, Environment>();
  readonly #queues = new Map<string, Queue>();

  constructor(account: Account) {
    this.#account = account;
  }

  createEnvironment(body: unknown) {
    const given = CreateComputeEnvironment.parse(body);
    const { computeEnvironmentName: name } = given;
    checkName("computeEnvironmentName", name);
    if (this.#environments.has(name)) throw refused("Object already exists");
    const computeEnvironmentArn = arnOf(this.#account, "compute-environment", name);
    this.#environments.set(name, {
      ...given,
      computeEnvironmentArn,
      ecsClusterArn: `arn:aws:ecs:${this.#account.region}:${this.#account.id}:cluster/AWSBatch-${name}-${randomUUID()}`,
      containerOrchestrationType: "ECS",
      ...valid,
    });
    return { computeEnvironmentName: name, computeEnvironmentArn };
  }

  updateEnvironment(body: unknown) {
    const { computeEnvironment, computeResources, ...given } = UpdateComputeEnvironment.parse(body);
    const found = this.#environment(computeEnvironment);
    Object.assign(found, given);
    if (computeResources !== undefined)
      found.computeResources = { ...found.computeResources, ...computeResources };
    const { computeEnvironmentName, computeEnvironmentArn } = found;
    return { computeEnvironmentName, computeEnvironmentArn };
  }

  deleteEnvironment(body: unknown): object {
    const { computeEnvironment } = z.looseObject({ computeEnvironment: z.string() }).parse(body);
    const found = this.#environments.get(nameIn(computeEnvironment, "compute-environment"));
    if (found === undefined) return {};
    if (found.state !== "DISABLED") throw refused("Cannot delete, state must be DISABLED");
    const used = [...this.#queues.values()].some((queue) => this.#of(queue).includes(found));
    if (used) throw refused("Cannot delete, found existing JobQueue relationship");
    this.#environments.delete(found.computeEnvironmentName);
    return {};
  }

  describeEnvironments(body: unknown): object {
    const { computeEnvironments, ...given } = z
      .looseObject({ computeEnvironments: z.array(z.string()).optional(), ...Page })
      .parse(body);
    const wanted = computeEnvironments?.map((each) => nameIn(each, "compute-environment"));
    const found = [...this.#environments.values()].filter(
      (each) => wanted === undefined || wanted.includes(each.computeEnvironmentName),
    );
    const { items, ...more } = page(found, given);
    return { computeEnvironments: items, ...more };
  }

  createQueue(body: unknown) {
    const given = CreateJobQueue.parse(body);
    const { jobQueueName: name } = given;
    checkName("jobQueueName", name);
    if (this.#queues.has(name)) throw refused("Object already exists");
    if (given.computeEnvironmentOrder.length < 1 || given.computeEnvironmentOrder.length > 3)
      throw refused("a job queue has 1 to 3 compute environments");
    const jobQueueArn = arnOf(this.#account, "job-queue", name);
    const queue = { ...given, jobQueueArn, ...valid, statusReason: "JobQueue Healthy" };
    this.#of(queue);
    this.#queues.set(name, queue);
    return { jobQueueName: name, jobQueueArn };
  }

  updateQueue(body: unknown) {
    const { jobQueue, ...given } = UpdateJobQueue.parse(body);
    const found = this.queue(jobQueue);
    Object.assign(found, given);
    return { jobQueueName: found.jobQueueName, jobQueueArn: found.jobQueueArn };
  }

  deleteQueue(body: unknown): object {
    const { jobQueue } = z.looseObject({ jobQueue: z.string() }).parse(body);
    const found = this.#queues.get(nameIn(jobQueue, "job-queue"));
    if (found === undefined) return {};
    if (found.state !== "DISABLED") throw refused("Cannot delete, state must be DISABLED");
    this.#queues.delete(found.jobQueueName);
    return {};
  }

  describeQueues(body: unknown): object {
    const { jobQueues, ...given } = z
      .looseObject({ jobQueues: z.array(z.string()).optional(), ...Page })
      .parse(body);
    const wanted = jobQueues?.map((each) => nameIn(each, "job-queue"));
    const found = [...this.#queues.values()].filter(
      (each) => wanted === undefined || wanted.includes(each.jobQueueName),
    );
    const { items, ...more } = page(found, given);
    return { jobQueues: items, ...more };
  }

  queue(given: string): Queue {
    const found = this.#queues.get(nameIn(given, "job-queue"));
    if (found === undefined) throw refused(`JobQueue ${given} does not exist`);
    return found;
  }

  /** Virtual CPUs of each compute environment of a queue, in the order in which they are tried. */
  capacities(queue: Queue): { environment: string; vcpus: number }[] {
    return this.#of(queue)
      .filter(({ state }) => state === "ENABLED")
      .map((each) => ({
        environment: each.computeEnvironmentName,
        vcpus: each.computeResources?.maxvCpus ?? Number.POSITIVE_INFINITY,
      }));
  }

  /** What an instance of a compute environment is: of the first type that it names, in the Region's first zone. */
  instance(environment: string): InstanceFacts {
    const { type, instanceTypes = [] } = this.#environments.get(environment)?.computeResources ?? {};
    const [first = "m5.large"] = instanceTypes;
    const { region } = this.#account;
    return {
      // A family stands for its smallest type that most have.
      type: first.includes(".") ? first : `${first}.xlarge`,
      zone: `${region}a`,
      region,
      market: type === "SPOT" ? "spot" : "on-demand",
    };
  }

  has(arn: string): boolean {
    const all = [...this.#queues.values()].map(({ jobQueueArn }) => jobQueueArn);
    return (
      all.includes(arn) ||
      [...this.#environments.values()].some(({ computeEnvironmentArn }) => computeEnvironmentArn === arn)
    );
  }

  #environment(given: string): Environment {
    const found = this.#environments.get(nameIn(given, "compute-environment"));
    if (found === undefined) throw refused(`ComputeEnvironment ${given} does not exist`);
    return found;
  }

  #of({ computeEnvironmentOrder }: z.output<typeof CreateJobQueue>): Environment[] {
    return computeEnvironmentOrder
      .toSorted((one, other) => one.order - other.order)
      .map(({ computeEnvironment }) => this.#environment(computeEnvironment));
  }
}
