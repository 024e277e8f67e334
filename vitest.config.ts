import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: [
      "node_modules/**",
      "dist/**",
      "cdk.out/**",
      "**/*.s3.test.ts",
      "**/*.cloud.test.ts",
      "**/*.torch.test.ts",
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A machine that is busy may stand still for seconds; whatever is polled for says nothing of how soon it comes.
    expect: { poll: { timeout: 20_000 } },
  },
});
