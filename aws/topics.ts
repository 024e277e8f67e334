import type { Aws } from "./aws.ts";

const load = () => import("./sdk/sns.ts");

/** SNS takes 100 characters at most, of ASCII, in one line, none of them a space at the beginning. */
const mostSubject = 100;

const plainSubject = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/[^\x20-\x7e]/g, "?")
    .trim()
    .slice(0, mostSubject);

/** What is asked of SNS. */
export class Topics {
  readonly #aws: Aws;
  readonly #client;

  constructor(aws: Aws) {
    this.#aws = aws;
    this.#client = aws.client(async () => (await load()).SNSClient);
  }

  /** Tells whoever listens; a call that is repeated after a lost answer can tell them twice. */
  async publish(topicArn: string, subject: string, message: string): Promise<void> {
    await this.#aws.run({ action: "sns:Publish", resource: topicArn }, async () => {
      const { PublishCommand } = await load();
      const command = new PublishCommand({
        TopicArn: topicArn,
        Subject: plainSubject(subject),
        Message: message,
      });
      await (await this.#client()).send(command);
    });
  }
}
