import type { FailureClass } from "../failure.ts";

/** An error that an SDK of AWS words: what can be read of it. */
interface AwsError {
  readonly code: string;
  readonly operation: string;
  readonly service: string;
}

const none: AwsError = { code: "", operation: "", service: "" };

/** The forms of the SDKs: Python and the command line; Java (both); Go. */
const forms: readonly ((text: string) => AwsError | undefined)[] = [
  (text) => {
    const [, code = "", operation = ""] =
      /\(([\w.]{3,60})\) (?:occurred )?when calling the (\w{3,60}) operation/.exec(text) ?? [];
    return code === "" ? undefined : { ...none, code, operation };
  },
  (text) => {
    const [, service = "", rest = ""] =
      /\(Service: ([\w ]{2,40})[;,] (Status Code: \d{3}.{0,300})/.exec(text) ?? [];
    if (service === "") return undefined;
    const code =
      /Error Code: ([\w.]{3,60})/.exec(rest)?.[1] ?? /([A-Z]\w{3,50}Exception)\b/.exec(text)?.[1] ?? "";
    const limited = rest.includes("Status Code: 429") && !throttled.test(code);
    return { code: limited ? "429" : code, operation: "", service };
  },
  (text) => {
    const [, service = "", operation = ""] = /operation error ([\w ]{2,40}): (\w{3,60}),/.exec(text) ?? [];
    if (service === "") return undefined;
    const code = /(?:api error |, )((?!RequestID|HostID|StatusCode)[A-Z]\w{3,60}): /.exec(text)?.[1] ?? "";
    return { service, operation, code };
  },
];

const batchOperations =
  /^(?:(?:Submit|Cancel|Terminate|Describe|List)Jobs?|\w{3,10}(?:Job(?:Definition|Queue)|ComputeEnvironment|SchedulingPolic(?:y|ie)|ConsumableResource)s?)$/;
const s3Operations =
  /^\w{2,12}(?:Objects?|ObjectsV2|ObjectVersions|Bucket|Buckets|BucketLocation|ObjectAttributes|MultipartUpload|Part|PartCopy|Parts)$/;
const stateOperations =
  /^(?:(?:Start|Stop|Describe|List|Redrive)(?:Sync)?Executions?|SendTask\w+|GetActivityTask|GetExecutionHistory|\w+StateMachine)$/;
const imageOperations =
  /^(?:GetAuthorizationToken|BatchGetImage|GetDownloadUrlForLayer|BatchCheckLayerAvailability)$/;

const expired =
  /^(?:ExpiredToken(?:Exception)?|RequestExpired|TokenRefreshRequired|ExpiredTokenError|InvalidClientTokenId|UnrecognizedClientException|InvalidToken|InvalidIdentityToken|IDPCommunicationError)$/;
const throttled =
  /^(?:TooManyRequests(?:Exception)?|Throttl\w*|RequestLimitExceeded|RequestThrottled\w*|429|LimitExceededException)$/;

/** What an SDK's error in `text` means; `undefined` where there is none, or none that is known. */
export function classOfAwsError(text: string): FailureClass | undefined {
  const error = forms.reduce<AwsError | undefined>((found, form) => found ?? form(text), undefined);
  if (error === undefined) return undefined;
  const { code, operation, service } = error;
  if (expired.test(code)) return "credentials-expired";
  if (/s3/i.test(service) || s3Operations.test(operation)) return "data-loader/s3";
  if (/batch/i.test(service) || batchOperations.test(operation)) {
    return throttled.test(code) ? "batch-api-throttled" : "batch-api-error";
  }
  if (/step ?functions|sfn/i.test(service) || stateOperations.test(operation)) return "sfn-error";
  if (/ecr/i.test(service) || imageOperations.test(operation)) return "cannot-pull-image";
  if (throttled.test(code)) return "batch-api-throttled";
  if (/ecs/i.test(service) || operation === "RunTask" || operation === "RegisterTaskDefinition")
    return "batch-api-error";
  return undefined;
}
