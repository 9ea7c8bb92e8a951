// export: sarif.sarif --format sarif
// SARIF by the schema that editors use, with ajv.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);
const Ajv = require("ajv");
const formats = require("ajv-formats");

const folder = process.argv[2];
const at = path.join(
  path.dirname(require.resolve("schemastore/package.json")),
  "schemas/json/sarif-2.1.0.json",
);
// One of its patterns is none with the flag `u`.
const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
formats(ajv);
const validate = ajv.compile(JSON.parse(fs.readFileSync(at, "utf8")));
const read = (name) => JSON.parse(fs.readFileSync(path.join(folder, name), "utf8"));

const names = fs.readdirSync(folder).filter((name) => /^sarif.*[.]sarif$/.test(name));
const where = `(${path.basename(folder)})`;
const errors = names.flatMap((name) => (validate(read(name)) ? [] : validate.errors));
const isValid = names.length > 0 && errors.length === 0;
if (isValid) console.log(`pass sarif_schemastore the schema ${where}`);
for (const error of errors.slice(0, 10)) {
  console.log(`fail sarif_schemastore the schema ${where}: ${error.instancePath} ${error.message}`);
}
if (names.length === 0) console.log(`fail sarif_schemastore the schema ${where}: no file`);
const file = read(names[0]);

// A schema that lets everything through would pass as well.
file.runs[0].tool.driver.name = 1;
const isBlind = validate(file);
console.log(`${isBlind ? "fail" : "pass"} sarif_schemastore a wrong file is refused ${where}`);
process.exit(isValid && !isBlind ? 0 : 1);
