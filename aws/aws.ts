import { PawlError } from "../core/errors.ts";
import type { Failure } from "../store/s3-failures.ts";
import { type Clock, type Patience, retrying, systemClock, type Tries } from "../store/s3-retry.ts";
import { type About, awsError, type Where } from "./errors.ts";
import { awsFailure } from "./failures.ts";

/** How long a service may be silent. */
interface AwsTimeouts {
  readonly connectMilliseconds: number;
  /** Without a byte in either direction. */
  readonly idleMilliseconds: number;
}

export interface AwsOptions {
  /** Default: that of the environment or the profile. */
  readonly region?: string;
  /** How long what is throttled, fails or is not reached is tried again. Default: 20 seconds. */
  readonly patience?: Patience;
  readonly timeouts?: AwsTimeouts;
  readonly clock?: Clock;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Instead of the connection's own. */
  readonly patience?: Patience;
  /** What, besides failures of AWS, may go well at another time. */
  readonly again?: (error: unknown) => boolean;
}

/** No function and no person waits for longer. */
const defaultPatience: Patience = {
  totalMilliseconds: 20_000,
  firstWaitMilliseconds: 100,
  longestWaitMilliseconds: 5_000,
};

const tryAgain: Failure = { again: true, doubtful: true, code: undefined };

const defaultTimeouts: AwsTimeouts = { connectMilliseconds: 3_000, idleMilliseconds: 20_000 };

/** `eu-west-1`, `us-gov-west-1`, `ap-southeast-5`; and `local` of emulators. */
const regionPattern = /^([a-z]{2,4}(-[a-z]+)+-\d{1,2}|local|global)$/;

/**
 * Where and how AWS's services are asked: by the SDK's own environment variables and profiles (AWS_REGION, AWS_PROFILE,
 * AWS_ENDPOINT_URL …), with one retry policy for all, since their clients try nothing again by themselves. Nothing is
 * loaded and nothing is asked before the first call.
 */
export class Aws {
  readonly #options: AwsOptions;
  #where: Where = { region: undefined, endpoint: undefined };

  constructor(options: AwsOptions = {}) {
    this.#options = options;
  }

  /**
   * Makes one of the SDK's clients, once: `aws.client(async () => (await import("@aws-sdk/client-sts")).STSClient)`. Its
   * commands are to be sent inside of `run`.
   */
  client<Client extends SdkClient>(load: () => Promise<ClientClass<Client>>): () => Promise<Client> {
    let made: Promise<Client> | undefined;
    const make = async (): Promise<Client> => {
      const [{ NodeHttpHandler }, LoadedClient] = await Promise.all([
        import("@smithy/node-http-handler"),
        load(),
      ]);
      const { region, timeouts = defaultTimeouts } = this.#options;
      const client = new LoadedClient({
        ...(region === undefined ? {} : { region }),
        maxAttempts: 1,
        requestHandler: new NodeHttpHandler({
          connectionTimeout: timeouts.connectMilliseconds,
          socketTimeout: timeouts.idleMilliseconds,
        }),
      });
      this.#where = { ...this.#where, region: await regionOf(client) };
      watchEndpoint(client, (endpoint) => {
        this.#where = { ...this.#where, endpoint };
      });
      return client;
    };
    return () => {
      made ??= make().catch((error: unknown) => {
        made = undefined;
        throw error;
      });
      return made;
    };
  }

  /**
   * Does `work`, again where it was throttled, failed at the server or did not come through: `about` is for the words of
   * its failure. Errors: AWS_CREDENTIALS, AWS_DENIED, AWS_REGION, AWS_UNREACHABLE, AWS_FAILED.
   */
  async run<Result>(
    about: About,
    work: (tries: Tries) => Promise<Result>,
    { signal, patience = this.#options.patience ?? defaultPatience, again }: CallOptions = {},
  ): Promise<Result> {
    const { clock = systemClock } = this.#options;
    const meaning = (error: unknown) => (again?.(error) === true ? tryAgain : awsFailure(error));
    try {
      return await retrying({ clock, patience, signal, meaning }, work);
    } catch (error) {
      signal?.throwIfAborted();
      throw awsError(error, about, this.#where);
    }
  }
}

/** What every client of the SDK takes here. */
interface ClientConfig {
  region?: string;
  maxAttempts: number;
  requestHandler: import("@smithy/node-http-handler").NodeHttpHandler;
}

export interface SdkClient {
  readonly config: {
    region: string | (() => Promise<string>);
    /** Says where a request goes. */
    endpointProvider(parameters: unknown, context?: unknown): { readonly url: URL };
  };
}

export type ClientClass<Client extends SdkClient> = new (config: ClientConfig) => Client;

/** The region that a client asks. Errors: AWS_REGION. */
async function regionOf({ config }: SdkClient): Promise<string> {
  const region = typeof config.region === "string" ? config.region : await config.region();
  if (regionPattern.test(region)) return region;
  throw new PawlError("AWS_REGION", `'${region}' is no region of AWS, such as eu-west-1`, {
    next: "Set AWS_REGION, or 'region' in the profile, to the region that the stack is in.",
    details: { region },
  });
}

const isCustom = (parameters: unknown): boolean =>
  typeof parameters === "object" &&
  parameters !== null &&
  "Endpoint" in parameters &&
  parameters.Endpoint !== undefined;

/** Calls `take` with where requests go that somebody named another place for than the region's own. */
function watchEndpoint({ config }: SdkClient, take: (endpoint: string) => void): void {
  const resolve = config.endpointProvider;
  config.endpointProvider = (parameters, context) => {
    const resolved = resolve(parameters, context);
    if (isCustom(parameters)) take(resolved.url.origin);
    return resolved;
  };
}
