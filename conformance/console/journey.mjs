// The guide, step by step in its own words, in Chromium: by mouse, by keyboard
// alone, without JavaScript, and with a passkey; then what must be refused. A picture of each step, and axe on each page in
// both themes.
import { mkdirSync, readFileSync } from "node:fs";
import { Suite, expect, launch, totp, violations } from "../browser/browser.mjs";

const ready = JSON.parse(readFileSync(process.env.READY_FILE, "utf8"));
const pictures = process.env.PICTURES;
mkdirSync(pictures, { recursive: true });
const PASSWORD = "plum-Kettle7-orbit";
const suite = new Suite("console");
const check = (what, act) => suite.check(what, act);
const browser = await launch();

// One way through: how to press, how to fill, whether pictures and axe are taken.
class Walk {
  constructor(page, options) {
    Object.assign(this, { page, step: 0 }, options);
  }

  async title() {
    return this.page.locator("h1").innerText();
  }

  // By keyboard: Tab until the element has the focus, then a key.
  async reach(locator) {
    await locator.waitFor();
    for (let presses = 0; presses < 300; presses += 1) {
      if (await locator.evaluate((element) => element === document.activeElement)) return;
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`the keyboard does not reach ${locator}`);
  }

  async press(role, name, isExact = role !== "button") {
    const target = this.page.getByRole(role, { name, exact: isExact }).first();
    if (!this.keyboard) return target.click();
    await this.reach(target);
    if (role === "checkbox") return this.page.keyboard.press("Space");
    // A form or a link: on to another page.
    const loaded = this.page.waitForEvent("load");
    await this.page.keyboard.press("Enter");
    await loaded;
  }

  // A button that opens something on the same page.
  async open(name) {
    const target = this.page.getByRole("button", { name, exact: true });
    if (!this.keyboard) return target.click();
    await this.reach(target);
    await this.page.keyboard.press("Enter");
  }

  async fill(label, text) {
    const target = this.page.getByLabel(label, { exact: true });
    if (!this.keyboard) return target.fill(text);
    await this.reach(target);
    await this.page.keyboard.type(text);
  }

  async picture(name) {
    if (!this.pictured) return;
    this.step += 1;
    const file = `${String(this.step).padStart(2, "0")}-${name}`;
    await this.page.screenshot({ path: `${pictures}/${file}.png`, fullPage: true });
    for (const colorScheme of ["light", "dark"]) {
      await this.page.emulateMedia({ colorScheme });
      const found = await violations(this.page);
      await check(`axe ${name} ${colorScheme}`, async () => expect(found, ""));
    }
    await this.page.emulateMedia({ colorScheme: "dark" });
    await this.page.screenshot({ path: `${pictures}/${file}-dark.png`, fullPage: true });
    await this.page.emulateMedia({ colorScheme: "light" });
    const viewport = this.page.viewportSize();
    await this.page.setViewportSize({ width: 360, height: 740 });
    await this.page.screenshot({ path: `${pictures}/${file}-narrow.png`, fullPage: true });
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth);
    await check(`${name} fits 360 px`, async () => expect(wide <= 360, true));
    await this.page.setViewportSize(viewport);
  }
}

async function journey(name, options) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    baseURL: ready.console_url,
    javaScriptEnabled: options.javaScriptEnabled ?? true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  if (options.passkey) {
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2", transport: "internal", hasResidentKey: true,
        hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
      },
    });
  }
  const walk = new Walk(page, options);
  const user = `integration-${options.user}`;
  try {
    await page.goto("/");
    expect(await walk.title(), "Log in");
    await walk.picture("sign-in");
    await walk.fill("User name", ready.admin.user_name);
    await walk.fill("Password", ready.admin.password);
    await walk.press("button", "Log in");
    expect(await walk.title(), "API Credentials");
    // Settings gear, Admin, Users, Add New User.
    await walk.open("Settings");
    await walk.press("link", "Admin");
    expect(await walk.title(), "Users");
    await walk.picture("users");
    await walk.press("link", "Add New User");
    await walk.picture("add-new-user");
    await walk.fill("First name", "Integration");
    await walk.press("button", "API account that reads applications and findings");
    expect(await page.getByLabel("First name", { exact: true }).inputValue(), "Integration");
    await walk.fill("Last name", "Reader");
    await walk.fill("E-mail address", "reader@example.com");
    await walk.fill("User name of an API service account", user);
    await walk.press("button", "Save");
    expect(await walk.title(), user);
    await walk.picture("saved");
    await page.goto("/admin/activity");
    await walk.picture("activity");
    if (walk.pictured) {
      for (const [path, name] of [["teams", "teams"], ["business-units", "business-units"], ["roles", "roles"], ["roles/new", "add-a-role"], ["settings", "organisation"]]) {
        await page.goto(`/admin/${path}`);
        await walk.picture(name);
      }
      await page.goto("/admin/teams");
      await page.locator("tbody a").first().click();
      await walk.picture("team");
      await page.goto(`/admin/users?search=${user}`);
      await walk.press("link", user);
      await walk.press("link", "Edit");
      await walk.picture("edit-user");
      await page.goBack();
      await walk.press("link", "API Credentials: generate, revoke");
      await walk.picture("credentials-of-an-api-account");
    }
    await page.goto("/nowhere");
    expect(await walk.title(), "No such page");
    await walk.picture("no-such-page");
    await page.goto("/");
    await walk.press("button", "Log out");

    await page.goto("/mailbox");
    expect(await walk.title(), "The mailbox opens by its link");
    await page.goto(ready.mailbox_url);
    expect(await walk.title(), "Mailbox");
    expect(new URL(page.url()).pathname, "/mailbox");
    await walk.picture("mailbox");
    await walk.press("link", "Welcome to Veracode");
    await walk.picture("mail");
    const link = await page.locator("pre.mail a").first().getAttribute("href");
    await page.goto(link);
    expect(await walk.title(), "Activate your account");
    await walk.picture("activate-account");
    await walk.fill("Password", PASSWORD);
    await walk.fill("The same again", PASSWORD);
    await walk.press("button", "Set password");
    expect(await walk.title(), "Set up a second factor");
    await walk.picture("second-factor");
    const key = await page.locator("code.key").innerText();
    if (options.passkey) {
      await walk.press("button", "Set up a passkey");
      await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
    } else {
      await walk.fill("The six digits that the app shows now", totp(key));
      await walk.press("button", "Set up", true);
    }
    expect(await walk.title(), "Recovery codes");
    await walk.picture("recovery-codes");
    await walk.press("link", "I have stored them: on to API Credentials");
    expect(await walk.title(), "API Credentials");
    await walk.picture("api-credentials");
    await walk.open("Create API Credentials");
    expect(await page.getByRole("radio", { name: "HMAC Credentials" }).isChecked(), true);
    await walk.press("button", "Generate");
    expect(await walk.title(), "Store the Secret Key now");
    await walk.picture("secret-key");
    if (options.javaScriptEnabled !== false && !walk.keyboard) {
      await walk.press("button", "Copy the Secret Key");
      await page.getByText(/Secret Key copied|select/).waitFor();
      // Leaving without saying that it is stored asks first.
      let asked = "";
      page.once("dialog", (dialog) => {
        asked = dialog.type();
        dialog.dismiss();
      });
      await page.evaluate(() => { location.href = "/credentials"; });
      for (let tries = 0; asked === "" && tries < 100; tries += 1) await page.waitForTimeout(20);
      expect(asked, "beforeunload");
      expect(await walk.title(), "Store the Secret Key now");
    }
    const secret = await page.getByLabel("Secret Key", { exact: true }).inputValue();
    const id = await page.getByLabel("ID", { exact: true }).inputValue();
    expect([id.length, secret.length].join(), "32,128");
    await walk.press("checkbox", "I have stored the Secret Key");
    await walk.press("button", "Done");
    expect(await walk.title(), "API Credentials");
    expect((await page.content()).includes(secret), false);
    await walk.picture("shown-once");
    // Back shows no page at all, or one without the secret.
    await page.goBack().catch(() => {});
    await page.waitForLoadState().catch(() => {});
    const after = await page.locator("body").innerHTML().catch(() => "");
    expect(after.includes(secret), false);

    await page.goto("/profile");
    await walk.picture("profile");
    await page.goto("/credentials");
    await walk.press("link", `Revoke ${id}`);
    expect(await walk.title(), "Revoke credentials");
    await walk.picture("revoke");
    await walk.press("button", "Log out");
    await walk.fill("User name", user);
    await walk.fill("Password", PASSWORD);
    await walk.press("button", "Log in");
    expect(await walk.title(), "Second factor");
    await walk.picture("asked-for-the-second-factor");
    if (options.passkey) {
      await walk.press("button", "Use a passkey");
      await page.getByRole("heading", { name: "API Credentials", exact: true }).waitFor();
    } else {
      await walk.fill("Six digits of your app, or a recovery code", totp(key, 1));
      await walk.press("button", "Continue");
    }
    expect(await walk.title(), "API Credentials");
    suite.pass(`the guide ${name}`);
  } catch (error) {
    suite.fail(`the guide ${name}`, `at ${page.url()}: ${error.message ?? error}`);
    await page.screenshot({ path: `${pictures}/failed-${options.user}.png`, fullPage: true });
  } finally {
    await context.close();
  }
}

async function refusals() {
  const fresh = async () => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: ready.console_url });
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    return { context, page, walk: new Walk(page, {}) };
  };
  const signIn = async ({ page, walk }, name, password) => {
    await page.goto("/sign-in");
    await walk.fill("User name", name);
    await walk.fill("Password", password);
    await walk.press("button", "Log in");
  };
  const { user_name: admin, password } = ready.admin;
  const one = await fresh();

  await check("an activation link that was used is refused", async () => {
    await one.page.goto(ready.mailbox_url);
    await one.walk.press("link", "Welcome to Veracode");
    await one.page.goto(await one.page.locator("pre.mail a").first().getAttribute("href"));
    expect(await one.walk.title(), "The link is not good any more");
  });
  await check("roles that do not go together are refused with the reason", async () => {
    await signIn(one, admin, password);
    await one.page.goto("/admin/users/new");
    await one.walk.fill("First name", "Some");
    await one.walk.fill("Last name", "Body");
    await one.walk.fill("E-mail address", "some.body@example.com");
    await one.page.getByLabel("Creator", { exact: true }).check();
    await one.walk.press("button", "Save");
    await one.page.getByText("a scan type role is required").waitFor();
    expect(await one.page.getByLabel("First name").inputValue(), "Some");
  });
  await check("a person's Secret Key is not for administrators", async () => {
    await one.page.goto(`/admin/users?search=${encodeURIComponent(admin)}`);
    await one.page.locator("tbody a").first().click();
    expect(await one.page.getByText("generate, revoke").count(), 0);
    await one.page.goto(`${one.page.url()}/credentials`);
    expect(await one.walk.title(), "Only for the owner");
  });
  await check("a form with the token of another session is refused", async () => {
    const two = await fresh();
    await signIn(two, admin, password);
    const token = await two.page.locator("form[action='/credentials'] input[name=token]").inputValue();
    await one.page.goto("/credentials");
    const field = one.page.locator("form[action='/credentials'] input[name=token]");
    await field.evaluate((element, value) => { element.value = value; }, token);
    await one.walk.open("Create API Credentials");
    await one.walk.press("button", "Generate");
    expect(await one.walk.title(), "The form is out of date");
    await two.context.close();
  });
  await check("of two tabs that generate, one wins", async () => {
    const two = await one.context.newPage();
    await one.page.goto("/credentials");
    await two.goto("/credentials");
    await one.walk.open("Create API Credentials");
    await one.walk.press("button", "Generate");
    expect(await one.walk.title(), "Store the Secret Key now");
    await two.getByRole("button", { name: "Create API Credentials" }).click();
    await two.getByRole("button", { name: "Generate" }).click();
    await two.getByText("Nothing was generated now").waitFor();
    await two.close();
    await one.page.getByRole("checkbox").check();
    await one.walk.press("button", "Done");
  });
  await check("a code is good once", async () => {
    await one.page.goto("/enrol");
    const code = totp(await one.page.locator("code.key").innerText());
    await one.walk.fill("The six digits that the app shows now", code);
    await one.walk.press("button", "Set up", true);
    expect(await one.walk.title(), "Recovery codes");
    const two = await fresh();
    await signIn(two, admin, password);
    await two.walk.fill("Six digits of your app, or a recovery code", code);
    await two.walk.press("button", "Continue");
    await two.page.getByText("it was used before").waitFor();
    await two.context.close();
  });
  await check("a session is over after sign-out", async () => {
    const cookies = await one.context.cookies();
    await one.page.goto("/");
    await one.walk.press("button", "Log out");
    await one.context.addCookies(cookies);
    await one.page.goto("/credentials");
    expect(await one.walk.title(), "Log in");
  });
  await check("after five wrong passwords a stranger waits", async () => {
    const two = await fresh();
    for (let tries = 0; tries < 6; tries += 1) await signIn(two, "integration-plain", "wrong");
    await signIn(two, "integration-plain", PASSWORD);
    await two.page.getByText("wait before the next try").waitFor();
    await two.context.close();
  });
  await one.context.close();
}

await journey("by mouse, with pictures", { user: "mouse", pictured: true });
await journey("by keyboard alone", { user: "keyboard", keyboard: true });
await journey("without JavaScript", { user: "plain", javaScriptEnabled: false });
await journey("with a passkey", { user: "passkey", passkey: true });
await refusals();
await browser.close();
suite.end();
