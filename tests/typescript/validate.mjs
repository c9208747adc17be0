// Checks a description of objects: as OpenAPI 3.1 by its official schema, and each schema in it as JSON Schema of
// 2020-12, with all that it refers to. Says what is wrong, and ends with 1 then.
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: node validate.mjs FILE");
const document = JSON.parse(readFileSync(path, "utf8"));
const mistakes = [];

const validator = new Validator();
const { valid, errors } = await validator.validate(structuredClone(document));
if (!valid) mistakes.push(typeof errors === "string" ? errors : JSON.stringify(errors));
else if (validator.version !== "3.1") mistakes.push(`is of version ${validator.version}`);

// Formats such as uint64 are OpenAPI's own.
const ajv = new Ajv2020.default({ strict: false, validateFormats: false });
ajv.addSchema({ ...document, $id: "openapi.json" });
for (const pointer of pointersToSchemas(document, "")) {
  try {
    ajv.compile({ $ref: `openapi.json#${pointer}` });
    if (!ajv.validateSchema(resolve(pointer))) mistakes.push(`${pointer}: ${ajv.errorsText()}`);
  } catch (error) {
    mistakes.push(`${pointer}: ${error.message}`);
  }
}

/** Where the document holds schemas: under `schema`, and in its components. */
function* pointersToSchemas(value, at) {
  if (value === null || typeof value !== "object") return;
  for (const [name, part] of Object.entries(value)) {
    const here = `${at}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (name === "schema" || at === "/components/schemas") yield here;
    else yield* pointersToSchemas(part, here);
  }
}

function resolve(pointer) {
  const names = pointer.split("/").slice(1);
  const plain = (name) => name.replaceAll("~1", "/").replaceAll("~0", "~");
  return names.map(plain).reduce((value, name) => value[name], document);
}

for (const mistake of mistakes) console.error(mistake);
process.exitCode = mistakes.length === 0 ? 0 : 1;
