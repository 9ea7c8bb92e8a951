// The dashboard in Chromium: every page, wide and light, narrow and dark; by keyboard
// alone and without JavaScript; facets and downloads; a sync while one looks; and words
// that would like to be more than words.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { Suite, expect, launch, schemes, totp, violations } from "../browser/browser.mjs";

const { COUNTERSIGN: countersign, SCRATCH: scratch, PICTURES: pictures } = process.env;
const PASSWORD = "plum-Kettle7-orbit";
mkdirSync(pictures, { recursive: true });
const ready = (home) => JSON.parse(readFileSync(`${scratch}/serve-${home}.json`, "utf8"));
const run = (home, ...words) => execFileSync(countersign, ["--home", `${scratch}/${home}`, ...words], { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] });
const control = (...words) => run("platform", "platform", ...words);

const suite = new Suite("dashboard");
const check = (what, act) => suite.check(what, act);
const browser = await launch();

async function open(home, options = {}) {
  const context = await browser.newContext({ baseURL: ready(home).dashboard_url, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const seen = { elsewhere: [], complaints: [], dialogs: [] };
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== ready(home).dashboard_url) seen.elsewhere.push(request.url());
  });
  page.on("console", (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) seen.complaints.push(message.text());
  });
  page.on("pageerror", (error) => seen.complaints.push(error.message));
  page.on("dialog", (dialog) => {
    seen.dialogs.push(dialog.message());
    dialog.dismiss();
  });
  return { context, page, seen };
}

const title = (page) => page.locator("h1").innerText();
const total = async (page) => Number((await page.locator("[role=status] strong").innerText()).replaceAll(",", ""));

async function signIn(page, name = "reviewer") {
  await page.goto("/sign-in");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function setUp(page, home, name = "reviewer") {
  await page.goto(ready(home).setup_url);
  await page.getByLabel("Your name").fill(name);
  await choose(page);
}

async function choose(page) {
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("The same again").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
}

// ---- Every page -------------------------------------------------------------------

let shot = 0;
// One page as it is now: wide and light, narrow and dark, with a picture each.
async function look(page, name) {
  shot += 1;
  const file = `${pictures}/${String(shot).padStart(2, "0")}-${name}`;
  for (const [size, width, height, scheme] of [["", 1280, 900, "light"], ["-narrow", 360, 740, "dark"]]) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of schemes(scheme)) {
      await page.emulateMedia({ colorScheme });
      const found = await violations(page);
      await check(`axe ${name} ${width} px ${colorScheme}`, async () => expect(found, ""));
      const theme = colorScheme === "dark" ? "-dark" : "";
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: `${file}${size}${theme}.png`, fullPage: true });
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    await check(`${name} fits ${width} px`, async () => expect(wide <= width, true));
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
}

const stored = (home, what) => run(home, what, "--json", "--limit", "0").trim().split("\n").map((line) => JSON.parse(line));

// Where the pages are: the application with most that is still there, and findings of
// each type in those that are.
function places() {
  const open = (one) => one.open_by_severity.reduce((sum, count) => sum + count, 0);
  const applications = stored("home", "applications").filter((one) => !one.gone).sort((a, b) => open(b) - open(a));
  const living = new Set(applications.map((one) => one.guid));
  const findings = stored("home", "findings").filter((one) => living.has(one.application) && one.context === "policy");
  const first = (test) => findings.find(test).id;
  const of = (type) => first((one) => one.scan_type === type && one.state === "open");
  return {
    name: applications[0].name,
    application: `/applications/production/${applications[0].guid}`,
    static: of("STATIC"),
    dynamic: of("DYNAMIC"),
    manual: of("MANUAL"),
    sca: of("SCA"),
    mitigated: first((one) => one.state === "mitigated" && one.annotations?.length > 1),
  };
}

async function pages(at) {
  const blank = await open("empty");
  await blank.page.goto("/sign-in");
  await look(blank.page, "sign-in");
  await blank.page.goto("/welcome/nothing");
  await look(blank.page, "link-that-is-spent");
  await blank.page.goto(ready("empty").setup_url);
  await look(blank.page, "set-up");
  await blank.page.getByLabel("Your name").fill("reviewer");
  await blank.page.getByLabel("Password", { exact: true }).fill("short");
  await blank.page.getByLabel("The same again").fill("short");
  await blank.page.getByRole("button", { name: "Set the password" }).click();
  await look(blank.page, "set-up-refused");
  await choose(blank.page);
  expect(await title(blank.page), "Set up a second factor");
  for (const path of ["/", "/findings", "/applications", "/changes", "/integrations", "/deliveries", "/credentials"]) {
    await blank.page.goto(path);
    await look(blank.page, `empty-${path.slice(1) || "overview"}`);
  }
  await blank.context.close();

  const { context, page, seen } = await open("home");
  await setUp(page, "home");
  await look(page, "second-factor");
  for (const [name, path] of [
    ["overview", "/"],
    ["overview-of-a-year", "/?days=365"],
    ["applications", "/applications"],
    ["application", at.application],
    ["findings", "/findings"],
    ["findings-filtered", "/findings?filter=severity%5Bgte%5D4+and+state%5Beq%5Dopen+and+scan_type%5Bin%5DSTATIC%2CSCA"],
    ["findings-error", "/findings?filter=sevrity%5Bgte%5D4"],
    ["findings-none", "/findings?filter=title%5Blike%5Dnothing-like-it"],
    ["finding-static", `/findings/${at.static}`],
    ["finding-dynamic", `/findings/${at.dynamic}`],
    ["finding-manual", `/findings/${at.manual}`],
    ["finding-sca", `/findings/${at.sca}`],
    ["finding-mitigated", `/findings/${at.mitigated}`],
    ["changes", "/changes"],
    ["changes-closed", "/changes?kind=closed"],
    ["changes-ambiguous", "/changes?name=a"],
    ["integrations", "/integrations"],
    ["deliveries", "/deliveries"],
    ["credentials", "/credentials"],
    ["profile", "/profile"],
    ["prove", "/prove"],
    ["no-such-page", "/nowhere"],
    ["not-in-this-way", "/sign-out"],
    ["cannot-be-asked", "/changes?before=x"],
  ]) {
    await page.goto(path);
    await look(page, name);
    if (name === "finding-static") {
      await page.getByRole("button", { name: "Fetch it" }).click();
      await page.getByText("the flaw", { exact: true }).first().waitFor();
      await look(page, "finding-with-its-data-path");
    }
    if (name === "findings") {
      await page.getByText("How to filter").click();
      await look(page, "findings-help");
    }
    if (name === "overview") {
      await page.emulateMedia({ media: "print", colorScheme: "light" });
      await page.screenshot({ path: `${pictures}/print-overview.png`, fullPage: true });
      await page.emulateMedia({ media: null });
      for (const summary of await page.getByText("As a table").all()) await summary.click();
      await look(page, "overview-as-tables");
    }
  }
  await page.goto("/profile/factor");
  const key = await page.locator("code.key").innerText();
  await page.getByLabel("The six digits that the app shows now").fill(totp(key));
  await page.getByRole("button", { name: "Set up", exact: true }).click();
  await look(page, "recovery-codes");
  await page.goto("/profile");
  await look(page, "profile-with-a-second-factor");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await signIn(page);
  expect(await title(page), "Second factor");
  await look(page, "second-factor-asked");
  await page.getByLabel("Six digits of your app").fill("000000");
  await page.getByRole("button", { name: "Continue" }).click();
  await look(page, "second-factor-refused");
  await check("no page asks elsewhere, and none breaks its own rules", async () => expect(JSON.stringify(seen), JSON.stringify({ elsewhere: [], complaints: [], dialogs: [] })));
  await context.close();
}

// ---- By keyboard, and without JavaScript ------------------------------------------

class Walk {
  constructor(page, options) {
    Object.assign(this, { page, hidden: [] }, options);
  }

  // Tab until the element has the focus; on the way each stop must be seen.
  async reach(locator) {
    await locator.waitFor({ state: "attached" });
    for (let presses = 0; presses < 400; presses += 1) {
      if (await locator.evaluate((element) => element === document.activeElement)) return;
      await this.page.keyboard.press("Tab");
      const unseen = await this.page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const style = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const isOutlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
        const isInside = box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
        return isOutlined && isInside ? null : element.outerHTML.slice(0, 120);
      });
      if (unseen) this.hidden.push(unseen);
    }
    throw new Error(`the keyboard does not reach ${locator}`);
  }

  async press(target) {
    if (!this.keyboard) return target.click();
    await this.reach(target);
    const loaded = this.page.waitForEvent("load");
    await this.page.keyboard.press("Enter");
    await loaded;
  }

  async fill(label, text) {
    const target = this.page.getByLabel(label, { exact: true });
    if (!this.keyboard) return target.fill(text);
    await this.reach(target);
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.type(text);
  }
}

async function journey(name, at, options) {
  const { context, page, seen } = await open("home", { javaScriptEnabled: options.javaScriptEnabled ?? true });
  const walk = new Walk(page, options);
  const link = (name, exact = false) => page.getByRole("link", { name, exact }).first();
  const button = (name) => page.getByRole("button", { name }).first();
  try {
    await page.goto("/");
    expect(await title(page), "Sign in");
    await walk.fill("Name", options.user);
    await walk.fill("Password", PASSWORD);
    await walk.press(button("Sign in"));
    expect(await title(page), "Overview");
    if (walk.keyboard) {
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
      await page.keyboard.press("Enter");
      expect(await page.evaluate(() => document.activeElement.id), "main");
      await page.goto("/");
    }
    await walk.press(link("Applications", true));
    await walk.fill("Name holds", at.name);
    await walk.press(button("Filter"));
    await walk.press(link(at.name, true));
    await walk.press(link("All its findings"));
    const facet = (group, name) => page.locator(`[aria-labelledby="facet-${group}"] a`, { hasText: name }).first();
    await walk.press(facet("severity", "High"));
    await walk.press(facet("scan_type", "STATIC"));
    await walk.press(facet("state", "open"));
    expect(new URL(page.url()).searchParams.get("filter").includes("scan_type[eq]STATIC"), true);
    await walk.press(page.locator("a.title").first());
    expect(await page.getByRole("heading", { name: "Data path" }).count(), 1);
    await walk.press(page.getByRole("button", { name: /Fetch it/ }));
    await page.getByText(/the flaw|The service has none/).first().waitFor();
    await walk.press(link("Integrations", true));
    await walk.press(button("Pause"));
    await page.getByText("paused", { exact: true }).waitFor();
    await walk.press(button("Resume"));
    expect(await page.getByText("paused", { exact: true }).count(), 0);
    // Read in one go: the page may be exchanged between two questions.
    const last = () => page.evaluate(() => {
      const row = document.querySelector("tbody tr");
      return { begun: row?.querySelector("time").dateTime, outcome: row?.querySelector(".tag").textContent };
    });
    const before = await last();
    await walk.press(button("Run now"));
    expect(await title(page), "Integrations");
    let now = before;
    // Without JavaScript a person reloads.
    for (let tries = 0; tries < 300 && (now.begun === before.begun || now.outcome === "under way"); tries += 1) {
      await page.waitForTimeout(200);
      if (options.javaScriptEnabled === false) await page.reload();
      now = await last();
    }
    expect(now.begun > before.begun, true);
    expect(now.outcome, "complete");
    await walk.press(button("Sign out"));
    expect(await title(page), "Sign in");
    expect(walk.hidden.join(" | "), "");
    expect(JSON.stringify(seen), JSON.stringify({ elsewhere: [], complaints: [], dialogs: [] }));
    suite.pass(`the journey ${name}`);
  } catch (error) {
    suite.fail(`the journey ${name}`, `at ${page.url()}: ${error.message ?? error}`);
    await page.screenshot({ path: `${pictures}/failed-${name.replaceAll(" ", "-")}.png`, fullPage: true });
  } finally {
    await context.close();
  }
}

// ---- A sync while one looks -------------------------------------------------------

async function live() {
  const { context, page } = await open("home");
  await signIn(page, "operator");
  await page.goto("/integrations");
  control("mutate", "--days", "4", "--seed", "99");
  control("clock", "--set", new Date().toISOString());
  slow(1000);
  await page.evaluate(() => { globalThis.isTheSamePage = true; });
  const other = await context.newPage();
  await other.goto("/integrations");
  await check("a running sync is shown while it runs, without a reload", async () => {
    await other.getByRole("button", { name: /Run now/ }).click();
    await page.getByRole("progressbar", { name: /that were read/ }).waitFor();
    const seen = new Set();
    for (let tries = 0; tries < 200 && seen.size < 3; tries += 1) {
      seen.add(await page.evaluate(() => document.querySelector("progress")?.value));
      await page.waitForTimeout(50);
    }
    expect(seen.size >= 3 && !seen.has(undefined) ? "it moves" : [...seen].join(), "it moves");
    expect(await page.evaluate(() => globalThis.isTheSamePage), true);
  });
  await look(page, "integrations-while-a-sync-runs");
  control("faults", "--clear");
  await check("its end is shown as well", async () => {
    await page.getByRole("progressbar").waitFor({ state: "detached", timeout: 30000 });
    expect(await page.locator("tbody tr").first().getByText("complete", { exact: true }).count(), 1);
    expect(await page.evaluate(() => globalThis.isTheSamePage), true);
  });
  await context.close();
}

function slow(ms) {
  const plan = { seed: 1, rules: [{ name: "slow", match: { path: "/appsec/*" }, act: { kind: "delay", ms } }] };
  const options = { input: JSON.stringify(plan), stdio: ["pipe", "ignore", "ignore"] };
  execFileSync(countersign, ["--home", `${scratch}/platform`, "platform", "faults", "--plan", "-"], options);
}

// ---- Facets and downloads ---------------------------------------------------------

function records(csv) {
  let [count, isQuoted] = [0, false];
  for (const c of csv) {
    if (c === '"') isQuoted = !isQuoted;
    if (c === "\n" && !isQuoted) count += 1;
  }
  return count;
}

async function facets() {
  const { context, page } = await open("home");
  await signIn(page, "operator");
  await page.goto("/findings");
  const everything = await total(page);
  const choice = (group, at = 0) => page.locator(`[aria-labelledby="facet-${group}"] a`).nth(at);
  const count = async (locator) => Number((await locator.locator("span").last().innerText()).replaceAll(",", ""));
  const rowsToTheEnd = async (page) => {
    const links = [];
    for (;;) {
      links.push(...await page.locator("a.title").evaluateAll((all) => all.map((one) => `${one.getAttribute("href").split("?")[0]} ${one.closest("tr").innerText}`)));
      const next = page.getByRole("link", { name: "Next page" });
      if (await next.count() === 0) return links;
      await next.click();
    }
  };
  let address = "";
  await check("a facet narrows to as many as it says, and the address holds it", async () => {
    for (const group of ["severity", "scan_type", "application"]) {
      const wanted = await count(choice(group));
      await choice(group).click();
      await page.waitForURL(/filter=/);
      expect(await total(page), wanted);
      expect(new URL(page.url()).searchParams.get("filter").includes(group), true);
    }
    address = page.url();
  });
  await check("two values of one facet are both there", async () => {
    const [one, two] = [await total(page), await count(choice("severity", 1))];
    await choice("severity", 1).click();
    await page.waitForURL((url) => url.href !== address);
    expect(await total(page), one + two);
    expect(await page.locator('[aria-labelledby="facet-severity"] a[aria-current]').count(), 2);
    await page.goBack();
    expect(page.url(), address);
    expect(await total(page), one);
  });
  await check("the count is what paging comes to, each finding once", async () => {
    await page.goto("/findings?filter=severity%5Bgte%5D4+and+scan_type%5Beq%5DSCA+and+state%5Beq%5Dopen");
    const wanted = await total(page);
    expect(wanted > 100, true);
    const rows = await rowsToTheEnd(page);
    expect(rows.length, wanted);
    expect(new Set(rows.map((row) => row.split(" ")[0])).size, wanted);
  });
  await check("back goes back a page at a time, to the same findings", async () => {
    await page.goto("/findings");
    const first = await page.locator("a.title").first().innerText();
    await page.getByRole("link", { name: "Next page" }).click();
    const second = await page.locator("a.title").first().getAttribute("href");
    await page.goBack();
    expect(await page.locator("a.title").first().innerText(), first);
    expect(await total(page), everything);
    await page.goForward();
    expect(await page.locator("a.title").first().getAttribute("href"), second);
  });
  await check("an address opened anew shows the same", async () => {
    await page.goto(address);
    const wanted = [await total(page), ...await page.locator("a.title").evaluateAll((all) => all.map((one) => one.href))].join();
    const tab = await context.newPage();
    await tab.goto(address);
    expect([await total(tab), ...await tab.locator("a.title").evaluateAll((all) => all.map((one) => one.href))].join(), wanted);
    await tab.close();
  });
  await check("a condition that is taken away leaves the others", async () => {
    await page.goto(address);
    const chips = page.locator(".chips a code");
    expect(await chips.count(), 3);
    await chips.first().click();
    await page.waitForURL((url) => url.href !== address);
    expect(await chips.count(), 2);
  });
  await check("downloads have as many rows as the page says", async () => {
    for (const path of ["/findings?filter=severity%5Beq%5D5", "/findings"]) {
      await page.goto(path);
      const wanted = await total(page);
      for (const name of ["CSV", "NDJSON"]) {
        const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name, exact: true }).click()]);
        const text = readFileSync(await download.path(), "utf8");
        expect(name === "CSV" ? records(text) - 1 : text.trim().split("\n").map((line) => JSON.parse(line)).length, wanted);
      }
    }
  });
  await check("words are looked for, and the filter says so", async () => {
    await page.goto("/findings");
    await page.getByLabel("Words").fill("injection");
    await page.getByRole("button", { name: "Find" }).click();
    await page.waitForURL(/filter=/);
    const found = await total(page);
    expect(found > 0 && found < everything, true);
    expect((await page.getByLabel("Filter").inputValue()).includes("injection"), true);
  });
  await context.close();
}

// Links with a number in them, and rows that are named by a link and end with a number;
// not those that say how many would come on top.
const numbers = (page) => page.evaluate(() => {
  const number = (text) => (/^[0-9][0-9,]*$/.test(text?.trim() ?? "") ? Number(text.replaceAll(",", "")) : null);
  const links = [...document.querySelectorAll("main a[href^='/']")].map((link) =>
    [link.getAttribute("href"), number((link.querySelector("strong") ?? [...link.querySelectorAll("span")].at(-1) ?? link).textContent)]);
  const rows = [...document.querySelectorAll("main tr > th[scope=row]:first-child > a[href^='/']")].map((link) =>
    [link.getAttribute("href"), number([...link.closest("tr").querySelectorAll("td.number")].at(-1)?.textContent)]);
  return [...links, ...rows].filter(([, count]) => count !== null);
});

async function population(at) {
  const { context, page } = await open("home");
  await signIn(page, "operator");
  const gone = stored("home", "applications").filter((one) => one.gone);
  await check("applications are gone and sandboxes are there", async () => {
    expect(gone.length > 0, true);
    expect(stored("home", "findings").some((one) => one.context !== "policy"), true);
  });
  const paths = ["/", "/findings", "/findings?filter=", "/applications", "/applications?visible=any", "/changes", at.application, `/applications/production/${gone[0].guid}`];
  const behind = new Map();
  for (const path of paths) {
    await page.goto(path);
    const found = await numbers(page);
    await check(`every number of ${path} is the total behind it`, async () => {
      const wrong = [];
      for (const [href, count] of found) {
        if (!behind.has(href)) {
          await page.goto(href);
          const shown = page.locator("[role=status] strong, .figures strong").first();
          behind.set(href, Number((await shown.innerText()).replaceAll(",", "")));
        }
        if (behind.get(href) !== count) wrong.push(`${href}: ${count}, and there are ${behind.get(href)}`);
      }
      expect(wrong.join("\n"), "");
    });
  }
  await check("findings --json and an export have as many", async () => {
    await page.goto("/");
    const lists = (await numbers(page)).filter(([href]) => href.startsWith("/findings?"));
    expect(lists.length > 5, true);
    for (const [href, count] of lists) {
      const filter = new URL(href, ready("home").dashboard_url).searchParams.get("filter");
      const lines = (...words) => run("home", ...words, "--filter", filter).split("\n").filter(Boolean).length;
      expect([lines("findings", "--json"), lines("export", "--format", "ndjson")].join(), [count, count].join());
    }
  });
  await context.close();
}

async function reader(at) {
  const { context, page } = await open("home");
  const added = JSON.parse(run("home", "people", "add", "watcher", "--json"));
  await page.goto(added.url ?? added.link);
  await look(page, "choose-a-password");
  await choose(page);
  await check("a reader sees, and has nothing to press", async () => {
    await page.goto("/integrations");
    expect(await page.locator("main button").count(), 0);
    await page.goto("/deliveries");
    expect(await page.locator("main button").count(), 0);
    await page.goto(`/findings/${at.static}`);
    expect(await page.getByRole("button", { name: /Fetch/ }).count(), 0);
  });
  await check("what only operators do is refused with a page", async () => {
    await page.goto("/profile");
    await page.locator("form[action='/profile/sessions']").evaluate((form) => { form.action = "/integrations/production/run"; });
    await page.getByRole("button", { name: "Sign out everywhere else" }).click();
    expect(await title(page), "Not for this account");
    await look(page, "not-for-this-account");
  });
  await check("a form with another token is refused with a page", async () => {
    await page.goto("/profile");
    await page.locator("form[action='/profile/sessions'] input").evaluate((field) => { field.value = "x".repeat(43); });
    await page.getByRole("button", { name: "Sign out everywhere else" }).click();
    expect(await title(page), "The form is out of date");
    await look(page, "form-out-of-date");
  });
  await context.close();
}

// ---- Hostile words ----------------------------------------------------------------

const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|\u{e0041}/u;

async function hostile() {
  const { context, page, seen } = await open("hostile");
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await setUp(page, "hostile");
  const findings = stored("hostile", "findings");
  const application = findings[0].application;
  const paths = [
    "/", "/applications", `/applications/hostile/${application}`, "/findings", "/changes", "/changes?name=o",
    "/integrations", "/deliveries", "/credentials", "/profile",
    `/findings?filter=${encodeURIComponent(`title[like]"<script>globalThis.ran=1</script>\u202e"`)}`,
    `/findings?filter=${encodeURIComponent("<img src=x onerror=globalThis.ran=1>")}`,
    `/changes?name=${encodeURIComponent("\"><script>globalThis.ran=1</script>")}`,
    ...findings.map((one) => `/findings/${one.id}`),
  ];
  const inert = async (path) => {
    await page.waitForLoadState();
    const found = await page.evaluate(() => ({
      ran: globalThis.ran ?? null,
      violations: globalThis.violations,
      strange: [...document.querySelectorAll("*")].filter((one) => {
        if (one.matches('script[src="/dashboard.js"], link[href="data:,"]')) return false;
        const isTag = one.matches("script, style, iframe, object, embed, base, img, link:not([rel=stylesheet])");
        const runs = (a) => a.name.startsWith("on") || a.name === "style" || /^(href|src|action|formaction|xlink:href)$/.test(a.name) && /^\s*(javascript|data|vbscript):/i.test(a.value);
        return isTag || [...one.attributes].some(runs);
      }).map((one) => one.outerHTML.slice(0, 80)),
      outlined: getComputedStyle(document.querySelector("h1")).outlineWidth === "9px",
      text: document.body.innerText + document.title + [...document.querySelectorAll("[title],[aria-label]")].map((one) => `${one.title}${one.getAttribute("aria-label")}`).join(" "),
    }));
    const odd = ODD.exec(found.text.replaceAll("\n", " ").replaceAll("\t", " "));
    expect(JSON.stringify({ ran: found.ran, violations: found.violations, strange: found.strange, outlined: found.outlined, odd: odd && `U+${odd[0].codePointAt(0).toString(16)} after ${found.text.slice(Math.max(0, odd.index - 30), odd.index)}` }),
      JSON.stringify({ ran: null, violations: [], strange: [], outlined: false, odd: null }));
    return found.text;
  };
  for (const path of paths) {
    await check(`words stay words at ${path.slice(0, 60)}`, async () => {
      const began = performance.now();
      const answer = await page.goto(path);
      const size = (await answer.body()).length;
      const took = performance.now() - began;
      await inert(path);
      expect(size < 300_000 ? "small" : `${size} bytes`, "small");
      expect(took < 3000 ? "quick" : `${took} ms`, "quick");
    });
  }
  const first = findings.find((one) => one.scan_type === "STATIC" && one.description.startsWith("Words first. \"'>"));
  const long = findings.find((one) => one.description.length > 4_000_000);
  await check("what cannot be seen is made visible", async () => {
    await page.goto(`/findings/${first.id}`);
    const text = await page.locator("main").innerText();
    for (const code of ["U+202E", "U+200B", "U+2066", "U+0007", "U+001B", "U+E0041"]) expect(`${code} ${text.includes(code)}`, `${code} true`);
    expect(text.includes("<script>globalThis.ran=1</script>"), true);
  });
  await look(page, "hostile-finding");
  await check("a data path of hostile words is inert", async () => {
    await page.getByRole("button", { name: "Fetch it" }).click();
    await page.getByText("the flaw", { exact: true }).first().waitFor();
    await inert("data path");
  });
  await page.goto(`/applications/hostile/${application}`);
  await look(page, "hostile-application");
  await page.goto("/findings");
  await look(page, "hostile-findings");
  await page.goto("/");
  await look(page, "hostile-overview");
  await check("a facet of hostile words narrows", async () => {
    await page.goto("/findings");
    const facet = page.locator('[aria-labelledby="facet-component"] a, [aria-labelledby="facet-cwe"] a').last();
    const wanted = Number(await facet.locator("span").last().innerText());
    await facet.click();
    await page.waitForURL(/filter=/);
    expect(await total(page), wanted);
    await inert("facet");
  });
  await check("links lead to the web or nowhere", async () => {
    let found = 0;
    for (const one of findings) {
      await page.goto(`/findings/${one.id}`);
      const links = await page.locator("main a").evaluateAll((all) => all.map((one) => one.href));
      const away = links.filter((link) => !link.startsWith(`${ready("hostile").dashboard_url}/`));
      expect(away.filter((link) => link !== "https://cwe.mitre.org/data/definitions/79.html").join(), "");
      found += away.length;
    }
    expect(found, 1);
  });
  await check("a description of 5 MB is cut on its page, and whole as text/plain", async () => {
    await page.goto(`/findings/${long.id}`);
    const address = await page.getByRole("link", { name: "The whole description" }).getAttribute("href");
    const answer = await page.request.get(address);
    expect(answer.headers()["content-type"], "text/plain; charset=utf-8");
    expect(answer.headers()["x-content-type-options"], "nosniff");
    expect(await answer.text() === long.description, true);
    expect(long.description.endsWith("The end."), true);
  });
  await look(page, "hostile-long");
  await check("the record as it was sent is text/plain", async () => {
    const answer = await page.goto(`/findings/${first.id}/raw`);
    expect(answer.headers()["content-type"], "text/plain; charset=utf-8");
    expect(await page.evaluate(() => globalThis.ran ?? null), null);
  });
  await check("nothing was asked for elsewhere, nothing was blocked, no dialog was shown", async () => expect(JSON.stringify(seen), JSON.stringify({ elsewhere: [], complaints: [], dialogs: [] })));
  await context.close();
}

// Accounts for the journeys: operators without a second factor.
async function operators(...names) {
  for (const name of names) {
    const added = JSON.parse(run("home", "people", "add", name, "--role", "operator", "--json"));
    const { context, page } = await open("home");
    await page.goto(added.url ?? added.link);
    await choose(page);
    await context.close();
  }
}

const only = process.env.ONLY?.split(",");
const at = places();
const parts = { pages: () => pages(at), operators: () => operators("operator", "keyboard", "plain"),
  keyboard: () => journey("by keyboard alone", at, { user: "keyboard", keyboard: true }),
  plain: () => journey("without JavaScript", at, { user: "plain", javaScriptEnabled: false }),
  facets, population: () => population(at), reader: () => reader(at), live, hostile };
for (const [name, part] of Object.entries(parts)) {
  if (only && !only.includes(name)) continue;
  const began = performance.now();
  await part().catch((error) => suite.fail(name, error));
  if (process.env.ONLY) console.log(`   ${name}: ${Math.round((performance.now() - began) / 1000)} s`);
}
await browser.close();
suite.end();
