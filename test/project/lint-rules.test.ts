import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly severity: string;
}

/** What each planted file holds, and the rule that must object to it; null: allowed there. */
const planted: readonly (readonly [file: string, source: string, rule: string | null])[] = [
  [
    "src/buffer/floating.ts",
    "async function f() {}\nexport const g = () => { f(); };",
    "typescript(no-floating-promises)",
  ],
  ["src/cli/floating-then.ts", "Promise.resolve(1).then(() => 2);", "typescript(no-floating-promises)"],
  ["test/floating.ts", "async function f() {}\nexport const g = () => { f(); };", "typescript(no-floating-promises)"],
  ["src/buffer/misused.ts", "[1].forEach(async () => { await null; });", "typescript(no-misused-promises)"],
  [
    "src/buffer/condition.ts",
    "const f = async () => true;\nif (f()) throw new Error('x');",
    "typescript(no-misused-promises)",
  ],
  ["src/buffer/any.ts", "export const f = (x: any): number => x.y;", "typescript(no-explicit-any)"],
  ["src/store/now.ts", "export const x = Date.now();", "eslint(no-restricted-properties)"],
  ["src/store/performance.ts", "export const x = performance.now();", "eslint(no-restricted-properties)"],
  ["src/cli/now.ts", "export const x = Date.now();", "eslint(no-restricted-properties)"],
  ["src/base/now.ts", "export const x = Date.now();", null],
  ["src/trainer/performance.ts", "export const x = performance.now();", null],
  ["src/trainer/now.ts", "export const x = Date.now();", "eslint(no-restricted-properties)"],
  ["bench/now.ts", "export const x = Date.now();", null],
  ["src/store/random.ts", "export const x = Math.random();", "eslint(no-restricted-properties)"],
  ["src/store/timeout.ts", "setTimeout(() => {}, 1);", "eslint(no-restricted-globals)"],
  ["src/store/interval.ts", "setInterval(() => {}, 1);", "eslint(no-restricted-globals)"],
  ["src/cli/timeout.ts", "setTimeout(() => {}, 1);", "eslint(no-restricted-globals)"],
  [
    "src/store/timers.ts",
    'import { setTimeout as s } from "node:timers/promises";\nexport { s };',
    "eslint(no-restricted-imports)",
  ],
  [
    "src/store/uuid.ts",
    'import { randomUUID } from "node:crypto";\nexport { randomUUID };',
    "eslint(no-restricted-imports)",
  ],
  ["src/store/hash.ts", 'import { createHash } from "node:crypto";\nexport { createHash };', null],
  ["src/store/console.ts", 'console.error("x");', "eslint(no-console)"],
  ["src/cli/console.ts", 'console.error("x");', null],
  ["src/store/exit.ts", "process.exit(1);", "eslint(no-restricted-properties)"],
  ["src/cli/exit.ts", "process.exit(1);", null],
  ["src/store/env.ts", "export const x = process.env['HOME'];", "eslint(no-restricted-properties)"],
  ["src/store/env-destructured.ts", "const { env } = process;\nexport { env };", "eslint(no-restricted-properties)"],
  ["src/cli/env.ts", "export const x = process.env['HOME'];", null],
  ["src/store/stdout.ts", "process.stdout.write('x');", "eslint(no-restricted-properties)"],
  ["src/store/catch.ts", "try {\n  JSON.parse('');\n} catch {}", "eslint(no-empty)"],
  ["src/store/comment.ts", "// later, for now nothing\nexport const x = 1;", "eslint(no-warning-comments)"],
  ["src/store/long.ts", "export {};\n".repeat(401), "eslint(max-lines)"],
  [
    "src/store/long-function.ts",
    `export function f(): void {\n${"  f();\n".repeat(60)}}`,
    "eslint(max-lines-per-function)",
  ],
  ["src/store/loose.ts", "export const f = (x: number): boolean => x == 1;", "eslint(eqeqeq)"],
  ["src/store/throws.ts", "export const f = (): never => { throw 'x'; };", "typescript(only-throw-error)"],
];

describe("lint rules", () => {
  let folder: string;
  let errors: Map<string, Diagnostic[]>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "varve-lint-"));
    for (const name of [".oxlintrc.json", "tsconfig.json", "package.json"])
      copyFileSync(join(root, name), join(folder, name));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    for (const [file, source] of planted) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), `${source}\n`);
    }
    const oxlint = join(root, "node_modules", "oxlint", "bin", "oxlint");
    const done = spawnSync(process.execPath, [oxlint, "--type-aware", "--format=json"], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env["PATH"]}` },
    });
    const { diagnostics } = JSON.parse(done.stdout) as { diagnostics: Diagnostic[] };
    errors = Map.groupBy(
      diagnostics.filter((diagnostic) => diagnostic.severity === "error"),
      (diagnostic) => diagnostic.filename,
    );
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(planted.map(([file, , rule]) => [file, rule] as const))("%s is judged by %s", (file, rule) => {
    const codes = (errors.get(file) ?? []).map((diagnostic) => diagnostic.code);
    if (rule === null) expect(codes).toEqual([]);
    else expect(codes).toContain(rule);
  });
});
