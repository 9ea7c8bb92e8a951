// export: report.html --format html
// HTML by html-validate and by the checker of the W3C, which needs Java.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);
const { FileSystemConfigLoader, HtmlValidate } = require("html-validate");

const folder = process.argv[2];
const where = `(${path.basename(folder)})`;
const page = path.join(folder, "report.html");
let failed = false;

function say(what, problems) {
  if (problems.length === 0) console.log(`pass html_validators ${what} ${where}`);
  failed ||= problems.length > 0;
  for (const problem of problems.slice(0, 10)) {
    console.log(`fail html_validators ${what} ${where}: ${problem}`);
  }
}

const loader = new FileSystemConfigLoader({
  root: true,
  extends: ["html-validate:recommended"],
  // Rows are long, and blanks at their ends come from the records.
  rules: { "long-title": "off", "no-trailing-whitespace": "off" },
});
// It takes minutes over thousands of rows: these are alike, and the other one reads all.
const isRow = (line) => line.startsWith('<tr><th scope="row"><div class="title">');
let rows = 0;
const lines = fs.readFileSync(page, "utf8").split(/(?=<tr>)/);
const short = lines.filter((line) => !isRow(line) || line.includes("</section>") || ++rows <= 200);
const report = await new HtmlValidate(loader).validateString(short.join(""), page);
const messages = report.results.flatMap((result) => result.messages);
say("html-validate", messages.map((m) => `${m.line}:${m.column} ${m.message} ${m.ruleId}`));

const jar = path.join(path.dirname(require.resolve("vnu-jar/package.json")), "build/dist/vnu.jar");
const done = spawnSync("java", ["-jar", jar, "--errors-only", "--format", "gnu", page]);
const problems = done.error ? [done.error.message] : done.stderr.toString().split("\n").filter((line) => line !== "");
if (problems.length === 0 && done.status !== 0) problems.push(`exit code ${done.status}`);
say("the Nu Html Checker", problems);
process.exit(failed ? 1 : 0);
