// What pages do beside htmx: the theme, copying, filtering of lists that are there. All of it works on what htmx brings, too.
"use strict";

const say = (text) => { document.getElementById("live").textContent = text; };

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      say("Copied");
    } catch {
      // Browsers let pages without https copy nothing: then it is selected, to be copied by hand.
      getSelection().selectAllChildren(copy.parentElement.querySelector("code") ?? copy);
      say("Selected: copy it");
    }
  }
  if (event.target.closest("#theme")) {
    const root = document.documentElement;
    const dark = (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/console/; max-age=31536000; samesite=lax`;
  }
});

// <input data-filter="#list">: of the elements with data-words in it, those whose words have all of what is typed.
document.addEventListener("input", (event) => {
  const list = event.target.dataset.filter && document.querySelector(event.target.dataset.filter);
  if (!list) return;
  const wanted = event.target.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const each of list.querySelectorAll("[data-words]")) {
    each.hidden = !wanted.every((word) => each.dataset.words.toLowerCase().includes(word));
    shown += each.hidden ? 0 : 1;
  }
  for (const group of list.querySelectorAll("[data-group]")) {
    group.hidden = !group.querySelector("[data-words]:not([hidden])");
    if (event.target.value && group instanceof HTMLDetailsElement) group.open = !group.hidden;
  }
  for (const none of list.querySelectorAll("[data-none]")) none.hidden = shown > 0;
  say(`${shown} shown`);
});

// <p data-chosen="#list">: how many checkboxes in it are checked, since most of them are folded away.
const count = () => {
  for (const each of document.querySelectorAll("[data-chosen]")) {
    const chosen = document.querySelectorAll(`${each.dataset.chosen} input[type=checkbox]:checked`).length;
    each.textContent = chosen ? `${chosen} chosen` : "";
  }
};
document.addEventListener("change", count);
count();

// What is exchanged between the press of a button and its release gets no click: live parts wait until it is released.
let pressed = false;
const held = new Map();
document.addEventListener("pointerdown", (event) => { pressed = event.button === 0; }); // a menu keeps the release of others to itself
for (const released of ["pointerup", "pointercancel"]) {
  document.addEventListener(released, () => setTimeout(() => {
    pressed = false;
    const late = [...held.values()];
    held.clear();
    for (const message of late) message.target.dispatchEvent(new MessageEvent(message.type, { data: message.data }));
  }));
}
document.addEventListener("htmx:sseBeforeMessage", (event) => {
  if (!pressed) return;
  held.set(event.detail.type, event.detail);
  event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const polled = event.detail.elt.getAttribute("hx-trigger")?.startsWith("every");
  if (pressed && polled) event.detail.shouldSwap = false; // it asks again by itself
});
