import { defineConfig } from "vitest/config";

/** Tests that need the servers of `npm run test:s3`. */
export default defineConfig({
  test: {
    include: ["**/*.s3.test.ts"],
    exclude: ["node_modules/**", "dist/**", "cdk.out/**"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
