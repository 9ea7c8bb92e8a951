// Everything here is a convenience: each page does its work without it.
"use strict";

// Moments in the viewer's own zone, with UTC on hover.
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    time.title = time.textContent;
    const day = { year: "numeric", month: "short", day: "numeric" };
    const clock = { hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
    time.textContent = moment.toLocaleString(undefined, "day" in time.dataset ? day : { ...day, ...clock });
  }
}
localise(document);

// What changes while one looks at it: the page is asked for again and these parts are
// put in the place of the old ones, unless somebody is in the middle of using them.
const live = [...document.querySelectorAll("[data-live]")];
if (live.length > 0 && "EventSource" in globalThis) {
  let isAsked = false;
  let isBusy = false;
  const refresh = async () => {
    if (isBusy) { isAsked = true; return; }
    isBusy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) { events.close(); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (!fresh || part.contains(document.activeElement)) continue;
        localise(fresh);
        if (part.innerHTML === fresh.innerHTML) continue;
        part.replaceChildren(...fresh.childNodes);
      }
    } finally {
      isBusy = false;
      if (isAsked) { isAsked = false; refresh(); }
    }
  };
  const events = new EventSource("/events");
  events.addEventListener("change", refresh);
  globalThis.addEventListener("pagehide", () => events.close());
}
