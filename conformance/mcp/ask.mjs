// The MCP server, asked by the official JavaScript package.
//
// ask.mjs --program COUNTERSIGN --home FOLDER      over standard input and output
// ask.mjs --url URL --token TOKEN                  over streamable HTTP
//
// TRUE_OPEN and HOSTILE are as for ask.py.
import { parseArgs } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const text = { type: "string" };
const { values: given } = parseArgs({ options: { program: text, home: text, url: text, token: text } });
const way = given.url ? "http" : "stdio";
let failed = 0;

function transport(token) {
  if (given.url) {
    const requestInit = { headers: { Authorization: `Bearer ${token}` } };
    return new StreamableHTTPClientTransport(new URL(given.url), { requestInit });
  }
  return new StdioClientTransport({ command: given.program, args: ["--home", given.home, "mcp"] });
}

async function connected(token) {
  const client = new Client({ name: "conformance", version: "1" });
  await client.connect(transport(token));
  return client;
}

async function check(capability, act) {
  try {
    await act();
    console.log(`pass javascript ${way}: ${capability}`);
  } catch (error) {
    failed += 1;
    console.log(`fail javascript ${way}: ${capability}: ${error.message}`);
  }
}

const holds = (is, what) => {
  if (!is) throw new Error(typeof what === "string" ? what : JSON.stringify(what));
};

/** Each text of a result, and whether it is in an object called `untrusted`. */
function* texts(value, isUntrusted = false) {
  if (typeof value === "string") yield [value, isUntrusted];
  else if (value && typeof value === "object")
    for (const [name, one] of Object.entries(value)) yield* texts(one, isUntrusted || name === "untrusted");
}

const client = await connected(given.token);

async function call(tool, inputs = {}) {
  const result = await client.callTool({ name: tool, arguments: inputs });
  const value = result.structuredContent;
  holds(result.content.length === 1 && result.content[0].text.includes('"about"'), result);
  holds(JSON.stringify(JSON.parse(result.content[0].text)) === JSON.stringify(value), tool);
  return { isError: result.isError === true, value };
}

async function answer(tool, inputs) {
  const { isError, value } = await call(tool, inputs);
  holds(!isError, value);
  return value;
}

async function refused(act) {
  try {
    await act();
  } catch {
    return;
  }
  throw new Error("it was not refused");
}

await check("every tool is listed, read-only", async () => {
  const { tools } = await client.listTools();
  holds(tools.length === 7, tools.length);
  for (const { name, annotations: hints } of tools)
    holds(hints.readOnlyHint && !hints.destructiveHint && hints.openWorldHint === false, name);
});

await check("every tool is called", async () => {
  const found = await answer("search_findings", { limit: 3 });
  const { id } = found.findings[0];
  holds((await answer("get_finding", { id })).id === id, id);
  const counted = await answer("count_findings", { by: "severity" });
  const sum = counted.values.reduce((sum, one) => sum + one.findings, 0);
  holds(sum === counted.total && sum === found.total, counted);
  holds((await answer("list_applications")).total > 0, "applications");
  holds((await answer("what_changed", { since: "3650d" })).total_from_here > 0, "changes");
  holds((await answer("expiring_credentials", { days: 3650 })).credentials_in_all > 0, "credentials");
  holds((await answer("how_to_fix", { finding: id })).advice[0].untrusted, "advice");
});

await check("a list is whole, page by page", async () => {
  const seen = new Set();
  let page;
  for (let inputs = { limit: 100 }; ; inputs = { ...inputs, cursor: page.cursor }) {
    page = await answer("search_findings", inputs);
    for (const one of page.findings) seen.add(`${one.id} ${one.integration}`);
    if (!page.cursor) break;
  }
  holds(seen.size === page.total, `${seen.size} of ${page.total}`);
  const open = process.env.TRUE_OPEN;
  holds(!open || seen.size === Number(open), `${seen.size}, not ${open}`);
});

await check("wrong inputs are refused by name", async () => {
  for (const [tool, inputs, cause] of [
    ["search_findings", { filter: "sevrity[gte]4" }, "no field `sevrity`"],
    ["search_findings", { limit: "all" }, "cannot be"],
    ["list_applications", { delete: true }, "no input `delete`"],
    ["get_finding", { id: "../../etc/passwd" }, "is not the id"],
  ]) {
    const { isError, value } = await call(tool, inputs);
    holds(isError && value.error.includes(cause) && value.hint, value);
  }
});

await check("whatever would write, or is unknown, is refused", async () => {
  await refused(() => client.callTool({ name: "close_finding", arguments: {} }));
  await refused(() => client.readResource({ uri: "file:///etc/passwd" }));
  await refused(() => client.getPrompt({ name: "x" }));
  await refused(() => client.setLoggingLevel("debug"));
});

if (process.env.HOSTILE) {
  await check("a hostile name stays data", async () => {
    const mark = process.env.HOSTILE;
    const value = await answer("list_applications", { name: mark });
    const found = [...texts(value)].filter(([text]) => text.includes(mark));
    holds(found.length > 0 && found.every(([, inside]) => inside), value);
    holds(![...texts(value)].some(([text]) => /[\u202e\u200b\u2066\u001b]/.test(text)), value);
  });
}
await client.close();

if (given.url) await check("another token is refused", () => refused(() => connected("of nobody")));
process.exit(failed ? 1 : 0);
