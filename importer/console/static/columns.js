// Columns: a choice is kept at once, and what was typed elsewhere stays. Without this every form has
// its button.

const isText = (field) => field.matches("textarea, input:not([type=hidden]):not([type=checkbox])");
// Where no option is marked, the browser chooses the first.
const isChosen = (field) => field.matches(".add select")
  && field.selectedIndex !== Math.max(Array.from(field.options).findIndex((each) => each.defaultSelected), 0);
const isDirty = (field) => isChosen(field) || (isText(field) && (field.value !== field.defaultValue || "notKept" in field.dataset));

// Of a list with many columns the page has them once: a choice gets them when somebody comes to it.
const fill = (event) => {
  const select = event.target.closest?.("select[data-options]");
  if (!select) return;
  const every = document.getElementById(select.dataset.options).content.cloneNode(true);
  delete select.dataset.options;
  const now = select.options[select.selectedIndex];
  const same = now && Array.from(every.querySelectorAll("option")).find((each) => each.value === now.value);
  if (same) {
    same.defaultSelected = now.defaultSelected;
    same.selected = true;
    now.remove();
  }
  select.append(every);
};
document.addEventListener("focusin", fill);
document.addEventListener("pointerdown", fill, true);

// What is chosen or ticked is kept at once; what is typed, with Enter or by the button: a part that
// was exchanged when a field was left would take the button that is being pressed away.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-change]");
  const rule = form?.elements.namedItem("what")?.value;
  if (event.target.matches("select, [type=checkbox]") && ["rule", "rows"].includes(rule)) form.requestSubmit();
});

// The button of a rule is there when something was typed into it; what is chosen needs none.
const step = () => document.getElementById("step");
function showKeeps() {
  for (const form of document.querySelectorAll("form[data-change]:has(.keep)")) {
    form.querySelector(".keep").hidden = !Array.from(form.elements).some(isDirty);
  }
}
showKeeps();
document.addEventListener("input", showKeeps);

let typed = new Map();
let open = [];
let last = "";
document.addEventListener("focusin", (event) => {
  last = event.target.closest?.(".rule[id], .contact, section, form[id]")?.id || last;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target !== step()) return;
  const sent = event.detail.requestConfig.elt.closest("form");
  // What was refused is there to be mended; what was kept is shown as it was kept.
  const refused = event.detail.xhr.responseText.includes("data-refused");
  typed = new Map();
  for (const field of step().querySelectorAll("[id]")) {
    if (!field.form || field.id === "text" || !isDirty(field)) continue;
    if (field.form !== sent || refused) typed.set(field.id, field.value);
  }
  open = Array.from(step().querySelectorAll("details[id][open]"), (each) => each.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const [id, value] of typed) {
    const field = document.getElementById(id);
    if (field === null) continue;
    fill({ target: field });
    if (!field.options || Array.from(field.options).some((each) => each.value === value)) field.value = value;
  }
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  typed = new Map();
  open = [];
  showKeeps();
});
// The button that settled something is gone then: what is beside it comes next.
document.addEventListener("htmx:afterSettle", () => {
  if (![document.body, step()].includes(document.activeElement) || !last) return;
  const place = document.getElementById(last);
  place?.querySelector("select, input:not([type=hidden]), summary, button")?.focus({ preventScroll: true });
});

// What was typed and not kept is not lost without a word.
let leaving = false;
document.addEventListener("submit", () => {
  leaving = true;
  setTimeout(() => { leaving = false; }, 0);
});
window.addEventListener("beforeunload", (event) => {
  if (!leaving && Array.from(document.querySelectorAll("#step [id]")).some((field) => field.form && isDirty(field))) {
    event.preventDefault();
  }
});

// A text that was changed and not kept would be lost when the form changes it: it comes first.
document.addEventListener("submit", (event) => {
  const text = document.getElementById("text");
  if (event.target.id === "as-text" || text === null || text.readOnly || !isDirty(text)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const place = document.getElementById("notice");
  const notice = document.createElement("div");
  notice.className = "notice doubtful";
  notice.textContent = "The text was changed, and is not kept yet: keep it first, then change the form.";
  place.replaceChildren(notice);
  text.focus();
}, true);
