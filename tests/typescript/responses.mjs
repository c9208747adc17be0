// Checks responses of a node against a description of its routes. Each response must have a status and a media type that
// its operation lists, and a body that matches the schema, without members that the schema does not name. Every
// operation must have succeeded at least once. Prints what is wrong, and ends with 1 then.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";

const [documentPath, responsesPath] = process.argv.slice(2);
if (responsesPath === undefined) throw new Error("usage: node responses.mjs DOCUMENT RESPONSES");
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const document = read(documentPath);
const mistakes = [];

// Clients must ignore members that they do not know, so the document allows them. Here each one is a mistake.
closeObjects(document);
const ajv = new Ajv2020.default({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ ...document, $id: "openapi.json" });

const operations = new Map();
for (const [path, item] of Object.entries(document.paths)) {
  for (const [method, operation] of Object.entries(item)) {
    const pointer = `/paths/${escaped(path)}/${method}/responses`;
    operations.set(operation.operationId, { responses: operation.responses, pointer });
  }
}

const succeeded = new Set();
for (const response of read(responsesPath)) {
  const mistake = check(response);
  if (mistake !== undefined) mistakes.push(`${response.operation}: ${response.status} ${mistake}`);
  else if (response.status < 300) succeeded.add(response.operation);
}
for (const operation of operations.keys()) {
  if (!succeeded.has(operation)) mistakes.push(`${operation}: no request succeeded`);
}

/** Returns what is wrong with a response, if anything. */
function check({ operation, status, type, body }) {
  const described = operations.get(operation);
  if (described === undefined) return "is not described";
  const name = String(status) in described.responses ? String(status) : "default";
  let pointer = `${described.pointer}/${name}`;
  const reference = described.responses[name].$ref;
  if (reference !== undefined) pointer = reference.slice(1);
  const mediaType = (type ?? "").split(";")[0];
  pointer += `/content/${escaped(mediaType)}/schema`;
  const schema = resolve(pointer);
  if (schema === undefined) return `has the media type ${mediaType}, which is not described`;
  if (!mediaType.endsWith("json")) return body === "" ? "is empty" : undefined;
  let value;
  try {
    value = JSON.parse(body);
  } catch (error) {
    return `is not JSON: ${error.message}`;
  }
  const validate = ajv.compile({ $ref: `openapi.json#${encodeURI(pointer)}` });
  if (!validate(value)) return `${ajv.errorsText(validate.errors)}: ${body.slice(0, 500)}`;
  return undefined;
}

/** Forbids other members in every schema that names members. */
function closeObjects(value) {
  if (value === null || typeof value !== "object") return;
  const isSchema = value.type === "object" && typeof value.properties === "object";
  if (isSchema && !("additionalProperties" in value)) value.additionalProperties = false;
  Object.values(value).forEach(closeObjects);
}

function escaped(name) {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function resolve(pointer) {
  const names = pointer.split("/").slice(1);
  const plain = (name) => name.replaceAll("~1", "/").replaceAll("~0", "~");
  return names.map(plain).reduce((value, name) => value?.[name], document);
}

for (const mistake of mistakes) console.error(mistake);
process.exitCode = mistakes.length === 0 ? 0 : 1;
