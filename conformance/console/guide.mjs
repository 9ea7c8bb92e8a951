// The guide in nothing but its own words, from Log in to ID and Secret Key: everything is
// found by role and name, at two widths, in both themes, by mouse, by keyboard, and without
// JavaScript. What comes out of it has to pass `integration check`.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { Suite, expect, launch, totp, violations } from "../browser/browser.mjs";

const { COUNTERSIGN, SCRATCH } = process.env;
const ready = JSON.parse(readFileSync(process.env.READY_FILE, "utf8"));
const pictures = `${process.env.PICTURES}/guide`;
mkdirSync(pictures, { recursive: true });
const PASSWORD = "plum-Kettle7-orbit";
const suite = new Suite("guide");
const browser = await launch();

// The guide's table of roles, each with a role of its first column.
const TABLES = [
  ["Creator", "Results API", "Reviewer"],
  ["Security Lead", "Results API", "Security Lead"],
];

class Walk {
  constructor(page, options) {
    Object.assign(this, { page, step: 0 }, options);
  }

  find(role, name) {
    return this.page.getByRole(role, { name, exact: true });
  }

  // By keyboard: Tab until it has the focus, then a key.
  async reach(target) {
    await target.waitFor();
    for (let presses = 0; presses < 300; presses += 1) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`the keyboard does not reach ${target}`);
  }

  async press(role, name) {
    const target = this.find(role, name).first();
    if (!this.keyboard) return target.click();
    await this.reach(target);
    await this.page.keyboard.press(["checkbox", "radio"].includes(role) ? "Space" : "Enter");
  }

  async at(title) {
    await this.find("heading", title).first().waitFor();
  }

  async fill(target, text) {
    if (!this.keyboard) return target.fill(text);
    await this.reach(target);
    await this.page.keyboard.type(text);
  }

  // Whatever the form asks for.
  async required(values) {
    for (const field of await this.page.locator("main input[required]:visible").all()) {
      const name = await field.evaluate((element) => element.labels[0]?.textContent ?? "");
      if (!(name in values)) throw new Error(`the form asks for "${name}"`);
      await this.fill(field, values[name]);
    }
  }

  async picture(name) {
    this.step += 1;
    const file = `${this.user}-${String(this.step).padStart(2, "0")}-${name}`;
    await this.page.screenshot({ path: `${pictures}/${file}.png` });
    // axe is a script of the page, and waits for ever where there are none.
    if (this.scripts) expect(await violations(this.page), "");
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide <= this.width, true);
  }

  async whole(target) {
    const box = await target.boundingBox();
    const isInside = box.x >= 0 && box.x + box.width <= this.width;
    const isCut = await target.evaluate((element) =>
      element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
      || element.scrollHeight > element.clientHeight + 1 && element.clientHeight > 0);
    if (!isInside || isCut) throw new Error(`cut off at ${this.width} px: ${JSON.stringify(box)}`);
  }
}

async function addUser(walk, table) {
  const { page, width, user } = walk;
  await page.goto("/");
  await walk.at("Log in");
  await walk.required({ "User name": ready.admin.user_name, Password: ready.admin.password });
  await walk.press("button", "Log in");
  await walk.at("API Credentials");
  // "Click the Settings gear in the top right corner and click on Admin."
  const gear = await walk.find("button", "Settings").boundingBox();
  expect(gear.x + gear.width > Math.min(width, (width + 1088) / 2) - 40 && gear.y < 40, true);
  expect(await walk.find("link", "Admin").isVisible(), false);
  await walk.press("button", "Settings");
  await walk.picture("settings");
  await walk.press("link", "Admin");
  for (const tab of ["Users", "Teams", "Business Units", "Roles"]) await walk.find("tab", tab).waitFor();
  await walk.press("tab", "Users");
  await walk.at("Users");
  // "On the Users tab, click on the Add New User on the right."
  const add = await walk.find("link", "Add New User").boundingBox();
  const main = await page.getByRole("main").boundingBox();
  expect(add.x + add.width > main.x + main.width - 40, true);
  await walk.picture("users");
  await walk.press("link", "Add New User");
  await walk.at("Add New User");
  await walk.required({
    "First name": "Integration", "Last name": "Reader", "E-mail address": `${user}@example.com`,
  });
  for (const role of new Set(table)) await walk.press("checkbox", role);
  // What the account cannot hold is shown before it is saved, by label.
  if (!walk.scripts) await walk.press("button", "Save");
  const mend = walk.find("button", "Make this an API account");
  await mend.waitFor();
  await page.getByRole("status").filter({ hasText: "Results API" }).waitFor();
  await walk.picture("before-saving");
  await walk.press("button", "Make this an API account");
  await page.getByRole("status").filter({ hasText: "This is an API account now" }).waitFor();
  expect(await page.getByLabel("First name", { exact: true }).inputValue(), "Integration");
  expect(await walk.find("checkbox", "Results API").isChecked(), true);
  await walk.picture("an-api-account");
  await walk.press("button", "Save");
  await walk.at(`${user}@example.com`);
  await page.getByRole("status").filter({ hasText: "Activate Account" }).waitFor();
  await walk.press("button", "Log out");
  await walk.at("Log in");
}

async function activate(walk) {
  const { page } = walk;
  // The mail program of these tests.
  await page.goto(ready.mailbox_url);
  await walk.press("link", "Welcome to Veracode");
  await walk.at("Welcome to Veracode");
  await walk.picture("mail");
  await walk.press("link", "Activate Account");
  await walk.at("Activate your account");
  await walk.required({ Password: PASSWORD, "The same again": PASSWORD });
  await walk.press("button", "Set password");
  await walk.at("Set up a second factor");
  const key = await page.locator("code.key").innerText();
  await walk.required({ "The six digits that the app shows now": totp(key) });
  await walk.press("button", "Set up");
  await walk.at("Recovery codes");
  await walk.press("link", "I have stored them: on to API Credentials");
  await walk.at("API Credentials");
}

async function generate(walk) {
  const { page } = walk;
  await walk.picture("api-credentials");
  await walk.press("button", "Create API Credentials");
  await walk.find("radio", "OAuth Client").waitFor();
  await walk.picture("create");
  if (walk.keyboard) await walk.reach(walk.find("radio", "HMAC Credentials"));
  else await walk.press("radio", "HMAC Credentials");
  await walk.press("button", "Generate");
  await walk.at("Store the Secret Key now");
  const [id, secret] = [walk.find("textbox", "ID"), walk.find("textbox", "Secret Key")];
  await walk.whole(id);
  await walk.whole(secret);
  await walk.picture("secret-key");
  const pair = [await id.inputValue(), await secret.inputValue()];
  await walk.press("checkbox", "I have stored the Secret Key");
  await walk.press("button", "Done");
  await walk.at("API Credentials");
  expect((await page.content()).includes(pair[1]), false);
  await walk.whole(walk.find("link", `Revoke ${pair[0]}`));
  await walk.picture("shown-once");
  return pair;
}

// Step 3 of the guide: the three values make an integration, and it passes its check.
function configure(user, [id, secret]) {
  const run = (input, ...args) => {
    const home = `${SCRATCH}/integration-${user}`;
    const done = spawnSync(COUNTERSIGN, ["--home", home, ...args], { input, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${args.slice(0, 2).join(" ")}: ${done.status} ${done.stderr}`);
    return done.stdout;
  };
  run(secret, "integration", "add", "guide", "--client-secret-stdin", "--client-id", id,
    "--url", ready.rest_url, "--ca-file", ready.ca_file);
  run("", "integration", "check", "guide");
}

async function journey({ width, theme, keyboard = false, scripts = true, table }) {
  const how = `${keyboard ? "keyboard" : "mouse"}${scripts ? "" : "-plain"}`;
  const user = `${how}-${width}-${theme}`;
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, baseURL: ready.console_url, colorScheme: theme,
    viewport: { width, height: 900 }, javaScriptEnabled: scripts,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const walk = new Walk(page, { width, keyboard, scripts, user });
  try {
    await addUser(walk, table);
    await activate(walk);
    configure(user, await generate(walk));
    suite.pass(`${table[0]}, ${table[1]}, ${table[2]} at ${width} px, ${theme}, ${how}`);
  } catch (error) {
    suite.fail(user, `at ${page.url()}: ${error.message ?? error}`);
    await page.screenshot({ path: `${pictures}/failed-${user}.png`, fullPage: true });
  } finally {
    await context.close();
  }
}

for (const width of [1280, 390]) {
  for (const theme of ["light", "dark"]) {
    for (const keyboard of [false, true]) {
      await journey({ width, theme, keyboard, table: TABLES[keyboard ? 1 : 0] });
    }
  }
}
await journey({ width: 390, theme: "light", scripts: false, table: TABLES[0] });
await browser.close();
suite.end();
