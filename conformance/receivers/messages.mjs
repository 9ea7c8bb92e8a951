// Cards of Teams, by Microsoft's own library.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// Its modules are not those that Node reads: this is all of it in one file, for browsers.
globalThis.self = globalThis;
const { AdaptiveCard, SerializationContext, Version } = createRequire(import.meta.url)(
  "adaptivecards/dist/adaptivecards.js",
);

const text = fs.readFileSync(path.join(process.argv[2], "teams.ndjson"), "utf8");
const messages = text.trimEnd().split("\n").map((line) => [line, JSON.parse(line)]);
let failed = 0;

function check(what, act) {
  const problems = act();
  if (problems.length === 0) console.log(`pass teams ${what}`);
  for (const problem of problems.slice(0, 10)) console.log(`fail teams ${what}: ${problem}`);
  failed += problems.length;
}

// What the library complains of, and the card as it understood it.
function parsed(content) {
  const context = new SerializationContext(new Version(1, 4));
  const card = new AdaptiveCard();
  card.parse(content, context);
  const events = [...Array(context.eventCount).keys()].map((at) => context.getEventAt(at).message);
  const failures = card.validateProperties().validationEvents.map((event) => event.message);
  return { card, problems: [...events, ...failures] };
}

function texts(node, found = []) {
  if (Array.isArray(node)) node.forEach((one) => texts(one, found));
  else if (node && typeof node === "object") {
    if (node.type === "TextRun") found.push(node.text);
    Object.values(node).forEach((value) => texts(value, found));
  }
  return found;
}

check(`each of ${messages.length} cards is parsed without a complaint`, () =>
  messages.flatMap(([, message]) => parsed(message.attachments[0].content).problems),
);
check("what is read is what was written", () =>
  messages.flatMap(([, message]) => {
    const content = message.attachments[0].content;
    const read = texts(parsed(content).card.toJSON());
    return JSON.stringify(read) === JSON.stringify(texts(content)) ? [] : [JSON.stringify(read)];
  }),
);
check("no message is over 28 KB", () =>
  messages.map(([line]) => Buffer.byteLength(line)).filter((length) => length > 28 * 1024),
);
check("a wrong card is refused", () => {
  const content = structuredClone(messages[0][1].attachments[0].content);
  content.body.push({ type: "Made-up" }, { type: "FactSet" });
  content.actions = [{ type: "Action.OpenUrl", title: "x" }];
  return parsed(content).problems.length > 0 ? [] : ["it is taken"];
});
process.exit(failed ? 1 : 0);
