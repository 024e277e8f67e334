import { defineConfig } from "vitest/config";

/**
 * Tests that need a python3 with PyTorch (scripts/install-torch.sh) and its frameworks (scripts/python-frameworks.sh), or
 * PyPI. They train for real, on machines that may do other things at the same time.
 */
export default defineConfig({
  test: {
    include: ["**/*.torch.test.ts"],
    exclude: ["node_modules/**", "dist/**", "cdk.out/**"],
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
