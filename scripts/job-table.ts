import * as z from "zod";

/** What the reference needs of a JSON Schema. */
export interface FieldSchema {
  readonly type?: string | undefined;
  readonly const?: string | undefined;
  readonly enum?: readonly string[] | undefined;
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
  readonly exclusiveMaximum?: number | undefined;
  readonly pattern?: string | undefined;
  readonly required?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, FieldSchema>> | undefined;
  readonly items?: FieldSchema | undefined;
  readonly anyOf?: readonly FieldSchema[] | undefined;
  readonly oneOf?: readonly FieldSchema[] | undefined;
  readonly additionalProperties?: boolean | FieldSchema | undefined;
}

/** Reads a JSON Schema, whatever else it holds. */
export const FieldSchema: z.ZodType<FieldSchema> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    const: z.string().optional(),
    enum: z.array(z.string()).optional(),
    description: z.string().optional(),
    default: z.unknown().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    exclusiveMinimum: z.number().optional(),
    exclusiveMaximum: z.number().optional(),
    pattern: z.string().optional(),
    required: z.array(z.string()).optional(),
    properties: z.record(z.string(), FieldSchema).optional(),
    items: FieldSchema.optional(),
    anyOf: z.array(FieldSchema).optional(),
    oneOf: z.array(FieldSchema).optional(),
    additionalProperties: z.union([z.boolean(), FieldSchema]).optional(),
  }),
);

/** Patterns that stand for something that people have a word for. */
const forms: readonly [test: RegExp, words: string][] = [
  [/\(ms\|s\|min\|h\|d\)/, "duration: `500ms`, `30s`, `5min`, `2h`, `1d`"],
  [/\(MiB\|GiB\)/, "size: `512MiB`, `14GiB`"],
  [/\{0,59\}/, "1 to 60 letters, digits, `-` or `_`, beginning with a letter or digit"],
];

/** Beyond this a limit is only that of a number's type. */
const unlimited = Number.MAX_SAFE_INTEGER;

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: FieldSchema): string {
  if (exclusiveMinimum !== undefined && exclusiveMaximum !== undefined)
    return ` above ${exclusiveMinimum}, below ${exclusiveMaximum}`;
  if (exclusiveMinimum !== undefined && maximum !== undefined)
    return ` above ${exclusiveMinimum}, at most ${maximum}`;
  if (minimum === undefined) return "";
  if (maximum === undefined || maximum >= unlimited) return ` from ${minimum}`;
  return ` from ${minimum} to ${maximum}`;
}

const alternatives = (schema: FieldSchema): readonly FieldSchema[] =>
  (schema.anyOf ?? schema.oneOf)?.flatMap(alternatives) ?? [schema];

/** What may be written there, in words. */
function typeWords(schema: FieldSchema): string {
  const options = alternatives(schema);
  if (options.length > 1) return options.map(typeWords).join(", or ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(", ");
  const form = forms.find(([test]) => test.test(schema.pattern ?? ""));
  if (form !== undefined) return form[1];
  switch (schema.type) {
    case "integer":
      return `whole number${range(schema)}`;
    case "number":
      return `number${range(schema)}`;
    case "array":
      return `list of ${schema.items?.properties === undefined ? `${typeWords(schema.items ?? {})}s` : "mappings"}`;
    case "object":
      return schema.properties === undefined ? namedWords(schema) : mappingWords(schema);
    case "string":
      return "text";
    default:
      return schema.type ?? "anything";
  }
}

/** A mapping with names of the person's own, or of a list that is told elsewhere. */
function namedWords({ additionalProperties }: FieldSchema): string {
  const named = typeof additionalProperties === "object" ? additionalProperties : {};
  return `mapping of names to ${typeWords(named).replace(/^(whole number|text)/, "$1s")}`;
}

/** Forms of one mapping are told apart by their policy. */
function mappingWords({ properties = {}, required = [] }: FieldSchema): string {
  const policy = properties.policy?.const;
  return policy === undefined || !required.includes("policy")
    ? "mapping"
    : `mapping with policy \`${policy}\``;
}

/** `needed`, the default, or nothing for what may be absent. */
function defaultWords(schema: FieldSchema, needed: boolean): string {
  if (needed) return "needed";
  const value = schema.default;
  if (Array.isArray(value)) return `\`[${value.join(", ")}]\``;
  if (value === undefined || (typeof value === "object" && value !== null)) return "";
  return `\`${String(value)}\``;
}

export interface FieldRow {
  readonly field: string;
  readonly type: string;
  readonly fallback: string;
  readonly description: string;
}

/** Every field below `schema`, outer ones first, by the path that messages name it with. What several forms share comes once. */
export function fieldRows(schema: FieldSchema, path = ""): FieldRow[] {
  const rows = alternatives(schema).flatMap((form) => {
    if (form.type === "array" && form.items !== undefined) return fieldRows(form.items, `${path}[]`);
    return Object.entries(form.properties ?? {}).flatMap(([name, field]) => {
      const full = path === "" ? name : `${path}.${name}`;
      const row: FieldRow = {
        field: full,
        type: typeWords(field),
        fallback: defaultWords(field, form.required?.includes(name) === true),
        description: field.description ?? (field.const === undefined ? "" : "Names the form."),
      };
      return [row, ...fieldRows(field, full)];
    });
  });
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
}
