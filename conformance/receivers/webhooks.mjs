// Webhooks, by the library of Standard Webhooks for JavaScript. Usage: webhooks.mjs FOLDER

import fs from "node:fs";
import path from "node:path";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const text = fs.readFileSync(path.join(process.argv[2], "webhooks.ndjson"), "utf8");
const messages = text.trimEnd().split("\n").map((line) => JSON.parse(line));
let failed = 0;

function check(what, problems) {
  if (problems.length === 0) console.log(`pass webhooks in JavaScript ${what}`);
  for (const problem of problems.slice(0, 10)) console.log(`fail webhooks in JavaScript ${what}: ${problem}`);
  failed += problems.length;
}

function isVerified(key, body, headers) {
  try {
    return JSON.stringify(new Webhook(key).verify(body, headers)) === JSON.stringify(JSON.parse(body));
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

check(`${messages.length} messages are verified, also while a key changes`, messages.flatMap((message) => {
  const headers = Object.fromEntries(message.headers);
  const isRight = message.verifies.every((key) => isVerified(key, message.body, headers))
    && !message.refuses.some((key) => isVerified(key, message.body, headers));
  return isRight ? [] : [headers["webhook-id"]];
}));
const [{ body, verifies: [key], headers: list }] = messages;
const headers = Object.fromEntries(list);
check("what is changed is refused", [
  ...(isVerified(key, `${body} `, headers) ? ["another body"] : []),
  ...Object.keys(headers)
    .filter((name) => name.startsWith("webhook-"))
    .filter((name) => isVerified(key, body, { ...headers, [name]: `${headers[name]}0` })),
]);
process.exitCode = failed === 0 ? 0 : 1;
