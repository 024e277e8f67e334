import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What each folder may import of ours. */
const allowed: Record<string, readonly string[]> = {
  core: [],
  store: ["core"],
  aws: ["core", "store"],
  lambdas: ["core", "store", "aws"],
  agent: ["core", "store", "aws"],
  local: ["core", "store", "aws", "lambdas", "agent"],
  cli: ["core", "store", "aws", "lambdas", "agent", "local"],
  cdk: ["core"],
  trainer: ["core"],
  // Tries everything, with what the tests have for that.
  chaos: ["core", "store", "aws", "lambdas", "agent", "local", "cli", "trainer", "test", "infra-test"],
};

/** Files of the root, for whoever runs where Pawl is installed; what is deployed or handed to a trainer is on its own. */
const besides = (folder: string): readonly string[] =>
  ["agent", "local", "cli", "cdk"].includes(folder) ? ["package.json", "installation.ts"] : [];

/** Modules of Node without I/O, clock or randomness: all that `core` may use. */
const pureModules = ["node:crypto"];

interface Import {
  readonly from: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split("/").includes("testing"));
}

function imports(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8");
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:[\w*{][^;"'()=]*?\sfrom\s+)?"([^"]+)"|import\(\s*"([^"]+)"/gm,
  );
  return [...statements].map(([, type, named, dynamic]) => ({
    from: file,
    target: named ?? dynamic ?? "",
    typeOnly: type !== undefined,
  }));
}

const folderOf = (file: string, target: string): string =>
  relative(root, resolve(join(root, dirname(file)), target)).split("/")[0] ?? "";

describe("imports point one way", () => {
  for (const [folder, may] of Object.entries(allowed)) {
    const files = sources(folder);

    it(`${folder} has sources, and imports of ours only ${may.join(", ") || "itself"}`, () => {
      expect(files.length).toBeGreaterThan(0);
      const wrong = files
        .flatMap(imports)
        .filter(({ target }) => target.startsWith("."))
        .filter(({ from, target }) => ![folder, ...may, ...besides(folder)].includes(folderOf(from, target)));
      expect(wrong).toEqual([]);
    });
  }

  it("core does no I/O: of Node it imports what is pure, and reads no clock and no random source", () => {
    const files = sources("core");
    const impure = files
      .flatMap(imports)
      .filter(({ target }) => target.startsWith("node:") && !pureModules.includes(target));
    expect(impure).toEqual([]);
    const clocks = files.filter((file) =>
      /Math\.random|Date\.now|new Date\(\)|performance\.|process\.|crypto\.random|randomUUID|randomBytes/.test(
        readFileSync(join(root, file), "utf8"),
      ),
    );
    expect(clocks).toEqual([]);
  });

  it("trainer imports only types of core, so that what users load carries nothing else", () => {
    const values = sources("trainer")
      .flatMap(imports)
      .filter(
        ({ from, target, typeOnly }) =>
          target.startsWith(".") && folderOf(from, target) === "core" && !typeOnly,
      );
    expect(values).toEqual([]);
  });

  it("sees imports of every form", () => {
    expect(imports("cli/commands.ts").map(({ target }) => target)).toContain("./train.ts");
    expect(imports("core/decide.ts").length).toBeGreaterThan(5);
  });
});
