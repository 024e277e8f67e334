/** What `pawl/cdk` gives: Pawl for a CDK app of one's own, as a construct in a stack or as a stack. */
export { writeAgentBundle } from "./agent-bundle.ts";
export { Pawl, type PawlProps } from "./pawl.ts";
export { PawlStack, type PawlStackProps } from "./stack.ts";
