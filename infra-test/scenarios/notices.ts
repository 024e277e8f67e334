import { randomUUID } from "node:crypto";
import { SNSClient, SubscribeCommand, UnsubscribeCommand } from "@aws-sdk/client-sns";
import { account } from "../cloud/assembly.ts";
import { ask, type Service } from "../cloud/request.ts";
import { region } from "../servers/server-group.ts";

const sqs: Service = { name: "sqs", version: "2012-11-05" };

/** What a stack's topic is told from now on. */
export interface Notices {
  /** The subjects so far, in no order. */
  subjects(): Promise<string[]>;
  close(): Promise<void>;
}

/** Subscribes a queue to a topic. */
export async function listenTo(endpoint: string, TopicArn: string): Promise<Notices> {
  const sns = new SNSClient();
  const QueueName = `notices-${randomUUID()}`;
  await ask(endpoint, sqs, "CreateQueue", { QueueName });
  const QueueUrl = `${endpoint}/${account}/${QueueName}`;
  const Endpoint = `arn:aws:sqs:${region}:${account}:${QueueName}`;
  const { SubscriptionArn } = await sns.send(
    new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint, ReturnSubscriptionArn: true }),
  );
  const heard: string[] = [];
  return {
    async subjects() {
      for (;;) {
        const answer = await ask(endpoint, sqs, "ReceiveMessage", {
          QueueUrl,
          MaxNumberOfMessages: "10",
          VisibilityTimeout: "600",
        });
        const found = [
          ...answer.matchAll(/(?:"|&quot;)Subject(?:"|&quot;): (?:"|&quot;)(.*?)(?:"|&quot;),/g),
        ];
        if (found.length === 0) return [...heard];
        heard.push(...found.map(([, subject = ""]) => subject));
      }
    },
    async close() {
      await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
      await ask(endpoint, sqs, "DeleteQueue", { QueueUrl });
      sns.destroy();
    },
  };
}
