// What the journeys share: the browser, checks that are counted, axe, and codes as an
// authenticator app shows them.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

export function totp(key, ahead = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = "";
  for (const letter of key.replaceAll(" ", "")) {
    bits += alphabet.indexOf(letter).toString(2).padStart(5, "0");
  }
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + ahead));
  const mac = createHmac("sha1", secret).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, "0");
}

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});

// Checks of one suite: each says how it went, and all are counted.
export class Suite {
  passed = 0;
  failed = 0;

  constructor(name) {
    this.name = name;
  }

  pass(what) {
    this.passed += 1;
    console.log(`pass ${this.name} ${what}`);
  }

  fail(what, error) {
    this.failed += 1;
    console.log(`fail ${this.name} ${what}: ${String(error.message ?? error).split("\n").slice(0, 12).join(" | ")}`);
  }

  async check(what, act) {
    try {
      await act();
      this.pass(what);
    } catch (error) {
      this.fail(what, error);
    }
  }

  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed === 0 ? 0 : 1);
  }
}

export function expect(actual, expected) {
  if (actual !== expected) throw new Error(`got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
}

// The colour schemes in which a width is looked at: layout and colours do not depend on each
// other, so each width has one. `LOOK=all` looks at both.
export const schemes = (one) => process.env.LOOK === "all" ? ["light", "dark"] : [one];

// What axe finds wrong with a page, in words; nothing where all is well. What it finds right is
// neither described nor brought over: that takes longer than all the rest.
export async function violations(page) {
  await page.evaluate(axe);
  return page.evaluate(async (tags) => {
    const found = await globalThis.axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
    return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 2)}`).join("; ");
  }, TAGS);
}
