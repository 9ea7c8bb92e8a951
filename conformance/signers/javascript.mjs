// The way of the JavaScript family: sixteen random bytes, written as upper-case
// hex, whose own bytes are the nonce: 64 digits on the wire.
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:https";

const { VERACODE_API_KEY_ID: id, VERACODE_API_KEY_SECRET: secret, PLATFORM_URL } = process.env;
const ca = readFileSync(process.env.PLATFORM_CA);
let failed = 0;

const hmac = (key, message) => createHmac("sha256", key).update(message).digest();

function header(method, url) {
  const nonce = Buffer.from(randomBytes(16).toString("hex").toUpperCase(), "utf8");
  const ts = Date.now().toString();
  const target = url.pathname + url.search;
  const data = `id=${id}&host=${url.hostname}&url=${target}&method=${method}`;
  let key = hmac(Buffer.from(secret, "hex"), nonce);
  for (const message of [ts, "vcode_request_version_1"]) key = hmac(key, message);
  const sig = hmac(key, data).toString("hex");
  return `VERACODE-HMAC-SHA-256 id=${id},ts=${ts},nonce=${nonce.toString("hex")},sig=${sig}`;
}

function get(url, authorization) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, headers: { authorization } }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

async function check(capability, act) {
  try {
    await act();
    console.log(`pass javascript ${capability}`);
  } catch (error) {
    failed += 1;
    console.log(`fail javascript ${capability}: ${error.message}`);
  }
}

const same = (actual, expected) => {
  if (actual !== expected) throw new Error(`got ${actual}, expected ${expected}`);
};

await check("64-digit nonce", async () => {
  const url = new URL(`${PLATFORM_URL}/appsec/v1/applications?size=1&name=a%20b`);
  const { status, text } = await get(url, header("GET", url));
  same(status, 200);
  same(JSON.parse(text).page.size, 1);
});
await check("bare apostrophe signed, %27 sent", async () => {
  const url = new URL(`${PLATFORM_URL}/appsec/v1/applications?name=o'brien`);
  const bare = { hostname: url.hostname, pathname: url.pathname, search: "?name=o'brien" };
  same(url.search, "?name=o%27brien");
  same((await get(url, header("GET", bare))).status, 200);
});
await check("another path is refused", async () => {
  const url = new URL(`${PLATFORM_URL}/appsec/v1/applications`);
  const other = new URL(`${PLATFORM_URL}/appsec/v1/applications/x`);
  same((await get(url, header("GET", other))).status, 401);
});
process.exit(failed === 0 ? 0 : 1);
