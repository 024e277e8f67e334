import { defineConfig } from "vitest/config";

/** Tests that need the emulated cloud of `npm run test:localstack`. */
export default defineConfig({
  test: {
    include: ["**/*.cloud.test.ts"],
    exclude: ["node_modules/**", "dist/**", "cdk.out/**"],
    // One account for all: what one test throttles or lists is another's too.
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
