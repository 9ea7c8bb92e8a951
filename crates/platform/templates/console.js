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
  time.textContent = moment.toLocaleString(undefined, {
    year: "numeric", month: "short", day: "numeric",
    hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
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

// Roles that the kind of account cannot hold, shown while they are chosen. Which role fits
// which kind is what the page says of each.
const misfits = document.querySelector("[data-misfits]");
if (misfits) {
  const form = misfits.closest("form");
  const list = misfits.querySelector("ul");
  const show = () => {
    const kind = form.elements.is_api.checked ? "api" : "person";
    const chosen = [...form.querySelectorAll("input[data-fits]:checked")];
    const wrong = chosen.filter((box) => box.dataset.fits !== "both" && box.dataset.fits !== kind);
    list.replaceChildren(...wrong.map((box) => {
      const line = document.createElement("li");
      line.textContent = box.closest("label").textContent.trim();
      return line;
    }));
    for (const line of misfits.querySelectorAll("[data-of]")) line.hidden = line.dataset.of !== kind;
    misfits.hidden = wrong.length === 0;
  };
  form.addEventListener("change", show);
  show();
}

// Tabs by arrow keys, as well as one after the other.
for (const tabs of document.querySelectorAll("[role=tablist]")) {
  tabs.addEventListener("keydown", (event) => {
    const all = [...tabs.querySelectorAll("[role=tab]")];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = all.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    all[(at + step + all.length) % all.length].focus();
  });
}
