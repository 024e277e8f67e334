// Named one by one, so that a bundle has these and no other commands.
export {
  BatchClient,
  DescribeJobsCommand,
  ListJobsCommand,
  TerminateJobCommand,
} from "@aws-sdk/client-batch";
