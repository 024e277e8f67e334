import type { PawlStackProps } from "../cdk/stack.ts";

const inEcr = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/torch:2.9";

/** Stacks that between them have every kind of resource. */
export const variants = {
  defaults: {},
  "private subnets": { privateSubnets: true, images: { default: inEcr } },
  "everything on": {
    images: {
      torch: inEcr,
      sklearn: "public.ecr.aws/docker/library/python:3.13-slim",
    },
    instanceTypes: ["g5.xlarge", "g6", "m7i"],
    scaleDownDelayMinutes: 20,
    logRetention: 7,
    tracing: true,
    runMetrics: true,
    executionLogs: "all",
    prices: { "g5.xlarge": { spot: 0.4, "on-demand": 1.1 } },
    alarmEmail: "someone@example.com",
    dashboard: true,
    keepRuns: false,
  },
  "as little as there can be": {
    agentInImages: true,
    images: { default: inEcr },
    dashboard: false,
    bucketName: "runs-of-an-earlier-stack",
  },
} as const satisfies Readonly<Record<string, PawlStackProps>>;
