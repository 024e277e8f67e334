/** What Batch refuses, as its API says it. */
export class ServiceError extends Error {
  override name = "ServiceError";
  readonly code: "ClientException" | "ServerException" | "TooManyRequestsException";
  /** The HTTP status. */
  readonly status: number;

  constructor(code: ServiceError["code"], message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export const refused = (message: string): ServiceError => new ServiceError("ClientException", message);
