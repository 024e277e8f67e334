import * as z from "zod";
import { type Account, arnOf, checkName, nameIn, page } from "./names.ts";
import { refused } from "./service-error.ts";
import { type ContainerProperties, Page, RegisterJobDefinition } from "./shapes.ts";

export interface JobDefinition {
  readonly jobDefinitionName: string;
  readonly jobDefinitionArn: string;
  readonly revision: number;
  status: "ACTIVE" | "INACTIVE";
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly containerProperties: ContainerProperties;
  readonly timeout?: { readonly attemptDurationSeconds?: number | undefined } | undefined;
  readonly [key: string]: unknown;
}

const Describe = z.looseObject({
  jobDefinitions: z.array(z.string()).optional(),
  jobDefinitionName: z.string().optional(),
  status: z.string().optional(),
  ...Page,
});

const kind = "job-definition";

/** The account's job definitions: each name's revisions, of which the old ones stay. */
export class JobDefinitions {
  readonly #account: Account;
  readonly #byArn = new Map<string, JobDefinition>();

  constructor(account: Account) {
    this.#account = account;
  }

  register(body: unknown) {
    const given = RegisterJobDefinition.parse(body);
    const { jobDefinitionName: name, type, containerProperties, parameters = {}, ...more } = given;
    checkName("jobDefinitionName", name);
    if (type !== "container" || containerProperties === undefined)
      throw refused("only job definitions of type container with containerProperties are emulated");
    const revision = 1 + Math.max(0, ...this.#named(name).map((each) => each.revision));
    const jobDefinitionArn = arnOf(this.#account, kind, `${name}:${revision}`);
    const definition: JobDefinition = {
      ...more,
      jobDefinitionName: name,
      jobDefinitionArn,
      revision,
      status: "ACTIVE",
      type,
      parameters,
      containerProperties,
      containerOrchestrationType: "ECS",
    };
    this.#byArn.set(jobDefinitionArn, definition);
    return { jobDefinitionName: name, jobDefinitionArn, revision };
  }

  deregister(body: unknown): object {
    const { jobDefinition } = z.looseObject({ jobDefinition: z.string() }).parse(body);
    const found = this.#byArn.get(arnOf(this.#account, kind, nameIn(jobDefinition, kind)));
    if (found === undefined) throw refused(`JobDefinition ${jobDefinition} does not exist`);
    found.status = "INACTIVE";
    return {};
  }

  describe(body: unknown): object {
    const { jobDefinitions, jobDefinitionName, status, ...given } = Describe.parse(body);
    const wanted = jobDefinitions?.map((each) => nameIn(each, kind));
    const found = [...this.#byArn.values()]
      .filter((each) => jobDefinitionName === undefined || each.jobDefinitionName === jobDefinitionName)
      .filter(
        (each) =>
          wanted === undefined ||
          wanted.includes(`${each.jobDefinitionName}:${each.revision}`) ||
          wanted.includes(each.jobDefinitionName),
      )
      .filter((each) => status === undefined || each.status === status);
    const { items, ...more } = page(found, given);
    return { jobDefinitions: items, ...more };
  }

  /** What a submission means: by name or ARN, with a revision or, as the newest active one, without. */
  find(given: string): JobDefinition {
    const name = nameIn(given, kind);
    const found = name.includes(":")
      ? this.#byArn.get(arnOf(this.#account, kind, name))
      : this.#named(name).findLast((each) => each.status === "ACTIVE");
    if (found?.status === "ACTIVE") return found;
    throw refused(`JobDefinition name ${given} does not exist or is not in ACTIVE status`);
  }

  has(arn: string): boolean {
    return this.#byArn.has(arn);
  }

  #named(name: string): JobDefinition[] {
    return [...this.#byArn.values()].filter((each) => each.jobDefinitionName === name);
  }
}
