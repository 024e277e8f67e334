import { App } from "aws-cdk-lib";
import { PawlStack } from "./stack.ts";

/**
 * The CDK app. No account and no Region are asked for: the template deploys anywhere, and is synthesised without
 * credentials, Docker or network. Context (`cdk -c key=value`, or cdk.json):
 *
 * - `pawl:stackName`: the stack's name, which the names in it begin with; `Pawl` unless given
 * - `pawl:instanceTypes`: a list, or names joined by commas; see `ComputeProps.instanceTypes`
 * - `pawl:maxVcpus`: see `ComputeProps.maxVcpus`
 * - `pawl:image`: see `ComputeProps.image`
 */
const app = new App();

const text = (key: string): string | undefined => {
  const value: unknown = app.node.tryGetContext(key);
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw new TypeError(`context '${key}' must be a text that is not empty`);
};

const list = (key: string): string[] | undefined => {
  const value: unknown = app.node.tryGetContext(key);
  if (value === undefined) return undefined;
  const items: unknown[] = typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [];
  const names = items.flatMap((item) =>
    typeof item === "string" && item.trim() !== "" ? [item.trim()] : [],
  );
  if (names.length > 0 && names.length === items.length) return names;
  throw new TypeError(`context '${key}' must be a list of names, or names joined by commas`);
};

const count = (key: string): number | undefined => {
  const value: unknown = app.node.tryGetContext(key);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new TypeError(`context '${key}' must be a whole number above 0`);
};

const instanceTypes = list("pawl:instanceTypes");
const maxVcpus = count("pawl:maxVcpus");
const image = text("pawl:image");

new PawlStack(app, text("pawl:stackName") ?? "Pawl", {
  ...(instanceTypes === undefined ? {} : { instanceTypes }),
  ...(maxVcpus === undefined ? {} : { maxVcpus }),
  ...(image === undefined ? {} : { image }),
});
