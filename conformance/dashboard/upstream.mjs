// A service whose words are hostile: answers of the platform, recorded by the
// integration that reads it, with other texts in them. Signatures are not looked at.
// Usage: upstream.mjs COUNTERSIGN HOME READY-FILE
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";

const [countersign, home, readyFile] = process.argv.slice(2);
const ask = (path) => JSON.parse(run("http", "GET", path));
const run = (...words) => execFileSync(countersign, ["--home", home, ...words], { encoding: "utf8", maxBuffer: 1 << 28 });
const lines = (text) => text.trim().split("\n").map((line) => JSON.parse(line));

const ELSEWHERE = "https://elsewhere.example";
const RUNS = "globalThis.ran=1";
const MARKUP = `"'><script>${RUNS}</script><img src="${ELSEWHERE}/picture" onerror="${RUNS}"><svg onload="${RUNS}"><style>*{outline:9px solid red!important}</style><iframe src="javascript:${RUNS}"></iframe><base href="${ELSEWHERE}/"><!--</textarea></title>`;
const ODD = "turned\u202earound, hid\u200bden, \u2066isolated\u2069, bell\u0007, \u001b[31mred\u001b[0m, tag\u{e0041}";
const LINKS = `<a href="javascript:${RUNS}">first</a> <a href="data:text/html,x">second</a> <a href="https://example.com/a\u202eb">third</a> <a href="https://cwe.mitre.org/data/definitions/79.html">fourth</a>`;
const base64 = (text) => Buffer.from(text).toString("base64");

const DESCRIPTIONS = [
  `Words first. ${MARKUP}`,
  base64(`<p>${MARKUP.replaceAll("<", "&lt;")}</p><p>${LINKS}</p>`),
  base64(`<script>${RUNS}</script><style>*{outline:9px solid red}</style>Words last.`),
  `Words first. ${base64(`<img src="${ELSEWHERE}/b64" onerror="${RUNS}">`)}`,
  `javascript:${RUNS} ${ODD}`,
  `The beginning. ${"All work and no play <b>makes</b> a dull text. ".repeat(115_000)}The end.`,
];

// Whatever people or scanners write. Dates, ids and words with a meaning stay.
const FREE = /^(name|file_path|file_name|module|procedure|attack_vector|path|hostname|plugin|url|location|component_filename|language|version|comment|user_name|team_name|function_name|module_name|local_path|license_id|cvss|vector|full_cve|exploit_source|business_unit|user)$/;

function hostile(value, key = "") {
  if (Array.isArray(value)) return value.map((one) => hostile(one, key));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, hostile(one, key)]));
  }
  if (key === "href") return `javascript:${RUNS}`;
  return typeof value === "string" && FREE.test(key) ? `${value} ${MARKUP} ${ODD}` : value;
}

const types = ["STATIC", "DYNAMIC", "MANUAL", "SCA"];
const living = new Set(lines(run("applications", "--json", "--limit", "0")).filter((one) => !one.gone).map((one) => one.guid));
const findings = lines(run("findings", "--json", "--limit", "0")).filter((one) => living.has(one.application));
const held = new Map();
for (const one of findings) held.set(one.application, (held.get(one.application) ?? new Set()).add(one.scan_type));
const guid = [...held].find(([, all]) => types.every((type) => all.has(type)))[0];

const application = hostile(ask(`/appsec/v1/applications/${guid}`));
application.profile.tags = `${MARKUP},${ODD}`;
const of = Object.fromEntries(types.map((type) => {
  const page = ask(`/appsec/v2/applications/${guid}/findings?scan_type=${type}&include_annot=${type !== "SCA"}&size=50`);
  const open = page._embedded.findings.find((one) => one.finding_status.status === "OPEN");
  return [type, hostile(open ?? page._embedded.findings[0])];
}));
const way = hostile(ask(`/appsec/v2/applications/${guid}/findings/${of.STATIC.issue_id}/static_flaw_info`));
const self = hostile(ask("/api/authn/v2/users/self"));
const sandbox = { guid: "5d5f5df2-64a5-4d6c-8a8c-0c1f3ed3f0aa", name: `sandbox ${MARKUP} ${ODD}`, id: 77, application_guid: guid };

let issue = 100;
const mix = (type, description) => ({ ...structuredClone(of[type]), description, ...(type === "SCA" ? {} : { issue_id: issue += 1 }) });
const annotated = (finding) => ({
  ...finding,
  annotations: [{ action: "APPDESIGN", comment: `${MARKUP} ${ODD}`, created: "2026-01-02T03:04:05.678Z", user_name: `someone ${MARKUP}` }],
});
const flaws = DESCRIPTIONS.flatMap((text, at) => [mix("STATIC", text), ...(at === 0 ? [mix("DYNAMIC", text), mix("MANUAL", text)] : [])]).map(annotated);
const inSandbox = flaws.slice(0, 1).map((one) => ({ ...one, context_type: "SANDBOX", context_guid: sandbox.guid }));
const components = [mix("SCA", DESCRIPTIONS[0])];

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const query = url.searchParams;
  const page = (name, all) => {
    const [size, number] = [Number(query.get("size") ?? 100), Number(query.get("page") ?? 0)];
    const elements = all.slice(number * size, (number + 1) * size);
    return {
      ...(elements.length > 0 && { _embedded: { [name]: elements } }), _links: {},
      page: { size, number, total_elements: all.length, total_pages: Math.ceil(all.length / size) },
    };
  };
  const answer = () => {
    const path = url.pathname.replace(/\/$/, "");
    if (path === "/api/authn/v2/users/self") return self;
    if (path === "/appsec/v1/applications") return page("applications", [application]);
    if (path === `/appsec/v1/applications/${guid}/sandboxes`) return page("sandboxes", [sandbox]);
    if (path === `/appsec/v2/applications/${guid}/findings`) {
      if (query.get("scan_type") === "SCA") return page("findings", query.has("context") ? [] : components);
      return page("findings", query.has("context") ? inSandbox : flaws);
    }
    if (path.endsWith("/static_flaw_info")) return way;
    return null;
  };
  const body = answer();
  response.writeHead(body ? 200 : 404, { "content-type": "application/json" });
  response.end(JSON.stringify(body ?? {}));
});
server.listen(0, "127.0.0.1", () => {
  writeFileSync(readyFile, JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` }));
});
