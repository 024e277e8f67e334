import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, type Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";

/** The templates of the stacks that `build` puts into an app of its own; no function is bundled for them. */
export function templatesOf(build: (app: App) => readonly Stack[]): Template[] {
  const outdir = mkdtempSync(join(tmpdir(), "pawl-infra-"));
  try {
    return build(new App({ outdir, context: { "aws:cdk:bundling-stacks": [] } })).map((stack) =>
      Template.fromStack(stack),
    );
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** As {@link templatesOf}, of one stack. */
export function templateOf(build: (app: App) => Stack): Template {
  const [template] = templatesOf((app) => [build(app)]);
  if (template === undefined) throw new Error("no stack");
  return template;
}
