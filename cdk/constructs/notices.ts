import * as sns from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { Construct } from "constructs";

export interface NoticesProps {
  /** Who is told by mail; the address must confirm it once. Others can be subscribed to the topic. Default: nobody. */
  readonly alarmEmail?: string;
}

/**
 * Where people are told that a run has ended or given up: a topic, by TLS only, encrypted under AWS's own key, which
 * whoever may publish to the topic may use.
 */
export class Notices extends Construct {
  readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, { alarmEmail }: NoticesProps = {}) {
    super(scope, id);
    this.topic = new sns.Topic(this, "Topic", {
      displayName: "Pawl",
      enforceSSL: true,
    });
    const resource = this.topic.node.defaultChild;
    if (!(resource instanceof sns.CfnTopic)) throw new TypeError("no topic in Notices");
    resource.kmsMasterKeyId = "alias/aws/sns";
    if (alarmEmail !== undefined) this.topic.addSubscription(new EmailSubscription(alarmEmail));
  }
}
