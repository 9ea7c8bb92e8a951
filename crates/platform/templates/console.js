// Everything here is a convenience: each page does its work without it.
"use strict";

// A key of the device: the browser's answer travels in an ordinary form.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  const known = globalThis.PublicKeyCredential;
  if (!known?.parseCreationOptionsFromJSON || location.hostname !== form.dataset.site) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const question = JSON.parse(form.dataset.question);
    try {
      const credential = form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey: known.parseCreationOptionsFromJSON(question) })
        : await navigator.credentials.get({ publicKey: known.parseRequestOptionsFromJSON(question) });
      form.elements.answer.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch {
      form.querySelector("[role=alert]").hidden = false;
    }
  });
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    const told = document.querySelector("[data-copied]");
    try {
      await navigator.clipboard.writeText(field.value);
      told.textContent = `${field.getAttribute("aria-label")} copied.`;
    } catch {
      field.select();
      told.textContent = "The browser did not copy: the field is selected, copy it by hand.";
    }
  });
}

// A secret that is shown once: leaving without saying that it is stored asks first.
for (const form of document.querySelectorAll("form[data-hold]")) {
  let isStored = false;
  globalThis.addEventListener("beforeunload", (event) => {
    if (!isStored) event.preventDefault();
  });
  form.addEventListener("submit", () => { isStored = true; });
}

// Moments in the viewer's own zone, with UTC on hover.
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// The rules of a password that can be judged here, judged while it is typed.
const password = document.querySelector("input[autocomplete=new-password][name=password]");
password?.addEventListener("input", () => {
  const text = password.value;
  const length = [...text].length;
  const tests = {
    length: length >= 8 && length <= 72,
    lower: /\p{Ll}/u.test(text),
    upper: /\p{Lu}/u.test(text),
    digit: /[0-9]/.test(text),
    symbol: /[^\p{L}\p{N}\p{Cc}]/u.test(text),
  };
  for (const rule of document.querySelectorAll("li[data-rule]")) {
    const isKept = tests[rule.dataset.rule];
    if (isKept === undefined) continue;
    const mark = rule.querySelector("span");
    mark.className = isKept ? "kept" : "broken";
    mark.textContent = isKept ? "\u2713 kept" : "\u2717 not kept";
  }
});
