import { App } from "aws-cdk-lib";
import { PawlStack } from "./stack.ts";

/**
 * The CDK app. No account and no Region are asked for: the template deploys anywhere, and is synthesised without
 * credentials, Docker or network. What its context can say is in context-values.ts.
 */
try {
  PawlStack.fromContext(new App());
} catch (error) {
  // What was given cannot be: its own words are enough. Ended here, since CDK would write what there is of the app.
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  process.exit(1);
}
