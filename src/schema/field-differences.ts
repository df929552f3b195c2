/**
 * Lists in what two declarations of fields differ, one phrase each, for {@link FieldMismatchError}.
 *
 * @param saved - a declaration as JSON, from a manifest; not trusted to be one
 * @param own - the buffer's
 * @returns empty where the two are equal; the order of names does not count
 */
export function listFieldDifferences(saved: unknown, own: unknown): string[] {
  const differences: string[] = [];
  compare("", saved, own, differences);
  return differences;
}

function compare(path: string, saved: unknown, own: unknown, differences: string[]): void {
  if (isRecord(saved) && isRecord(own)) {
    for (const name of new Set([...Object.keys(saved), ...Object.keys(own)])) {
      const inSaved = Object.hasOwn(saved, name) ? saved[name] : undefined;
      const inOwn = Object.hasOwn(own, name) ? own[name] : undefined;
      compare(path === "" ? name : `${path}.${name}`, inSaved, inOwn, differences);
    }
    return;
  }
  const savedText = JSON.stringify(saved);
  const ownText = JSON.stringify(own);
  if (savedText === ownText) return;
  differences.push(`${path || "fields"} is ${savedText ?? "absent"}, the buffer has ${ownText ?? "none"}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
