import type { GcsAnswer } from "./gcs-answer.ts";

/**
 * Cuts a JSON answer to what the parameter `fields` asks for, as `name,items(name,size)`: whoever reads a field has to
 * have asked for it.
 */
export function partialAnswer(answer: GcsAnswer, fields: string | null): GcsAnswer {
  if (fields === null || answer.status !== 200) return answer;
  return { ...answer, body: JSON.stringify(pick(JSON.parse(String(answer.body)), fields)) };
}

function pick(value: unknown, fields: string): unknown {
  if (Array.isArray(value)) return value.map((item) => pick(item, fields));
  const from = value as Readonly<Record<string, unknown>>;
  const picked: Record<string, unknown> = {};
  for (const [, name = "", inner] of fields.matchAll(/(\w+)(?:\(([^()]*)\))?/g)) {
    const found = from[name];
    if (found !== undefined) picked[name] = inner === undefined ? found : pick(found, inner);
  }
  return picked;
}
