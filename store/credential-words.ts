import { factsOf } from "./s3-failures.ts";

/** What is wrong, and what to do about it. */
export interface Words {
  readonly problem: string;
  readonly next: string;
}

/** What a person is told whose credentials are missing, have expired, or are not those of `whose`. */
export function credentialWords(error: unknown, whose: "endpoint" | "account"): Words {
  const { name } = factsOf(error);
  const profile = process.env.AWS_PROFILE;
  if (name === "CredentialsProviderError" || name === "TokenProviderError") {
    return {
      problem: `there are no credentials${profile === undefined ? "" : ` in the profile ${profile}`}`,
      next: "Log in (aws sso login, aws login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    };
  }
  if (/Expired|^InvalidToken|^TokenRefresh/.test(name)) {
    return { problem: "the credentials have expired", next: "Log in again, then run the same command." };
  }
  if (name === "RequestTimeTooSkewed") {
    return { problem: "this machine's clock is wrong", next: "Set the clock, then run the same command." };
  }
  return {
    problem: `the credentials are not valid${whose === "endpoint" ? " there" : ""}`,
    next: `See that the key id and its secret belong together, and to this ${whose}.`,
  };
}
