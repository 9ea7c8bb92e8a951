// Ways through the dashboard, found by role and name: a link that is followed signed out,
// with a second factor; the banner of data that is old; lists with places, values with a
// search, findings one after the other; moments in the zone of the browser and without
// scripts. At 1280 pixels, light, and at 390, dark, with a picture of each.
import { mkdirSync, readFileSync } from "node:fs";
import { Suite, expect, launch, schemes, totp, violations } from "../browser/browser.mjs";

const { SCRATCH: scratch } = process.env;
const pictures = `${process.env.PICTURES}-ways`;
mkdirSync(pictures, { recursive: true });
const PASSWORD = "plum-Kettle7-orbit";
const suite = new Suite("ways");
const check = (what, act) => suite.check(what, act);
const browser = await launch();
const ready = JSON.parse(readFileSync(`${scratch}/serve-stale.json`, "utf8"));

async function open(options = {}) {
  const context = await browser.newContext({ baseURL: ready.dashboard_url, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  return { context, page };
}

async function look(page, name) {
  for (const [width, scheme] of [[1280, "light"], [390, "dark"]]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of schemes(scheme)) {
      await page.emulateMedia({ colorScheme });
      const found = await violations(page);
      await check(`axe ${name} ${width} px ${colorScheme}`, async () => expect(found, ""));
      await page.screenshot({ path: `${pictures}/${name}-${width}-${colorScheme}.png` });
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    await check(`${name} fits ${width} px`, async () => expect(wide <= width, true));
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
}

const DEEP = "/findings?filter=severity%5Bgte%5D3%20and%20state%5Beq%5Dopen&page=2";

// Answers the key of the second factor.
async function setUp(page) {
  await page.goto(ready.setup_url);
  await page.getByLabel("Your name").fill("reviewer");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("The same again").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  const key = await page.locator("code.key").innerText();
  await page.getByLabel("The six digits").fill(totp(key));
  await page.getByRole("button", { name: "Set up", exact: true }).click();
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  return key;
}

async function arrive(page, address, code) {
  await page.goto(address);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("Name").fill("reviewer");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Second factor" }).waitFor();
  await page.getByRole("textbox").fill(code);
  await page.getByRole("button", { name: "Continue" }).click();
}

const first = await open();
const key = await setUp(first.page);
await first.context.close();

const { context, page } = await open({ timezoneId: "America/New_York", locale: "en-GB" });
await check("a deep link arrives by sign-in and second factor", async () => {
  await arrive(page, DEEP, totp(key, 1));
  await page.getByRole("heading", { name: "Findings", exact: true }).waitFor();
  expect(page.url().slice(ready.dashboard_url.length), DEEP);
});
await check("the banner is on every page, with a link", async () => {
  for (const name of ["Overview", "Findings", "Applications", "Changes", "Integrations", "Credentials"]) {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
    const banner = page.getByRole("region", { name: "State of the data" });
    await banner.getByText("production is 26 days behind.").waitFor();
  }
  await page.getByRole("link", { name: "Look at production" }).click();
  expect(new URL(page.url()).pathname, "/integrations");
  await page.getByText("✗ behind").waitFor();
});
await look(page, "integrations");
await page.goto("/");
await look(page, "overview");
await check("a moment is in the zone of the browser, with its name", async () => {
  const time = page.getByRole("region", { name: "State of the data" }).locator("time");
  const [text, whole] = [await time.innerText(), await time.getAttribute("datetime")];
  expect(/^\d{1,2} \w{3,4} \d{4}, \d\d:\d\d (GMT-[45]|E[DS]T)$/.test(text) || text, true);
  expect(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(whole) || whole, true);
});
await check("a list leads forth and back, and says where one is", async () => {
  await page.goto("/findings");
  const of = (await page.getByRole("navigation", { name: "Pages" }).innerText()).match(/1–50 of ([\d,]+)/);
  await page.getByRole("link", { name: "Next page" }).click();
  await page.getByText(`51–100 of ${of[1]}`).first().waitFor();
  await page.getByRole("link", { name: "Previous page" }).click();
  await page.getByText(`1–50 of ${of[1]}`).first().waitFor();
});
await check("an application that is not among the most frequent is found", async () => {
  const facets = page.getByRole("navigation", { name: "Narrow down" });
  const shown = await facets.locator("section", { hasText: "Application" }).locator("a span:first-child").allInnerTexts();
  await page.goto("/findings/values?field=application");
  const all = await page.getByRole("table").getByRole("link").allInnerTexts();
  const hidden = all.find((name) => !shown.includes(name));
  await page.goto("/findings");
  await facets.getByRole("searchbox", { name: "Application holds" }).fill(hidden);
  await facets.getByRole("button", { name: "Search Application" }).click();
  const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: hidden, exact: true }) });
  const count = await row.getByRole("cell").last().innerText();
  await row.getByRole("link").click();
  await page.getByText(`${count} findings`).filter({ visible: true }).first().waitFor();
});
await page.goto("/findings/values?field=application&filter=state%5Beq%5Dopen");
await look(page, "values");
await page.goto(DEEP);
await look(page, "findings");
await check("from one finding to the next within its list, and back to the list", async () => {
  await page.locator("a.title").nth(3).click();
  await page.getByText(/^54 of [\d,]+$/).waitFor();
  await page.getByRole("link", { name: "Next finding" }).click();
  await page.getByText(/^55 of [\d,]+$/).waitFor();
  await page.getByRole("link", { name: "Previous finding" }).click();
  await page.getByText(/^54 of [\d,]+$/).waitFor();
});
await look(page, "finding");
await check("the breadcrumb carries the filter and the page", async () => {
  await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link").first().click();
  expect(page.url().slice(ready.dashboard_url.length), DEEP);
  expect(await page.title(), "Findings: severity[gte]3 and state[eq]open · countersign");
});
await context.close();

const plain = await open({ javaScriptEnabled: false });
await check("without scripts a deep link arrives, and moments are UTC", async () => {
  // A code is good once: the next one is waited for.
  const next = 30_000 - Date.now() % 30_000;
  await plain.page.waitForTimeout(next + 500);
  await arrive(plain.page, DEEP, totp(key, 1));
  expect(plain.page.url().slice(ready.dashboard_url.length), DEEP);
  const time = plain.page.getByRole("region", { name: "State of the data" }).locator("time");
  expect(/^\d{4}-\d\d-\d\d \d\d:\d\d UTC$/.test(await time.innerText()), true);
});
await check("a link to another site is not followed", async () => {
  await plain.context.clearCookies();
  await plain.page.goto("/sign-in?next=//evil.example.com");
  expect(await plain.page.locator("input[name=next]").getAttribute("value"), "/");
});
await plain.context.close();
await browser.close();
suite.end();
