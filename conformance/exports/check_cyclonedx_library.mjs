// export: cyclonedx.json --format cyclonedx
// CycloneDX by its own JavaScript library.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { Spec, Validation } = createRequire(import.meta.url)("@cyclonedx/cyclonedx-library");

const folder = process.argv[2];
const where = `(${path.basename(folder)})`;
const text = fs.readFileSync(path.join(folder, "cyclonedx.json"), "utf8");
const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);

const errors = await validator.validate(text);
if (errors === null) console.log(`pass cyclonedx_library the strict schema of 1.6 ${where}`);
for (const error of (errors ?? []).slice(0, 10)) {
  const what = `${error.instancePath} ${error.message}`;
  console.log(`fail cyclonedx_library the strict schema of 1.6 ${where}: ${what}`);
}
const wrong = { ...JSON.parse(text), serialNumber: "1" };
const isBlind = (await validator.validate(JSON.stringify(wrong))) === null;
console.log(`${isBlind ? "fail" : "pass"} cyclonedx_library a wrong file is refused ${where}`);
process.exit(errors === null && !isBlind ? 0 : 1);
