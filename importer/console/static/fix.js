// Check and fix: what is exchanged with the server after an edit, and where the keyboard goes on.
// Without this every form works all the same, and loads the page again.

const step = () => document.getElementById("step");
const table = () => step()?.querySelector("table.fixing") ?? null;
const isField = (element) => element instanceof Element && element.matches("form.mend [name=text]");
const isDirty = (field) => field.value !== field.defaultValue;
const isUnsent = (field) => isDirty(field) && field.dataset.sent !== field.value;

// A request names what the page shows, so that the answer holds only what is another by now.
document.addEventListener("htmx:configRequest", (event) => {
  const { verb, parameters, path } = event.detail;
  const columns = table()?.dataset.columns ?? "";
  if (verb === "get") {
    if (path.includes("/fix/row?")) parameters.columns = columns;
    return;
  }
  const parts = step()?.querySelectorAll("[data-mark]") ?? [];
  parameters.marks = Array.from(parts, (part) => `${part.id}=${part.dataset.mark}`).join(",");
  parameters.columns = columns;
});

// Two answers on their way may come in either order: when all is quiet, the page looks once more.
// The request itself says when it has ended: of a form that was exchanged meanwhile htmx tells nobody.
let underWay = 0;
let crossed = false;
document.addEventListener("htmx:beforeRequest", (event) => {
  const { requestConfig, xhr } = event.detail;
  if (requestConfig.verb !== "post") return;
  underWay += 1;
  if (underWay > 1) crossed = true;
  step()?.setAttribute("aria-busy", "true");
  xhr.addEventListener("loadend", ended);
});
function ended() {
  underWay -= 1;
  if (underWay > 0) return;
  step()?.removeAttribute("aria-busy");
  if (!crossed) return;
  crossed = false;
  const address = `${location.pathname}/look${location.search}`;
  const csrf = document.querySelector("input[name=csrf]")?.value;
  window.htmx.ajax("POST", address, { target: "#fix-said", swap: "none", values: { csrf } });
}

// What was typed into a field that is exchanged meanwhile stays, and so does what is selected in it:
// htmx forgets a selection from the first character on, and typing would not replace it any more.
let typing = null;
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const active = document.activeElement;
  if (isField(active) && target.contains(active)) {
    typing = { id: active.id, start: active.selectionStart, end: active.selectionEnd };
  }
  for (const field of target.querySelectorAll("[name=text]")) {
    if (!isUnsent(field)) continue;
    const next = fragment.querySelector(`#${CSS.escape(field.id)}`);
    if (next !== null) {
      next.value = field.value;
      continue;
    }
    // Nothing is wrong with the cell any more, so it comes without a field: this one goes with it.
    const cell = field.closest("td");
    const place = fragment.querySelector(`#${CSS.escape(cell?.id ?? "")}`);
    if (place === null) continue;
    place.className = "changed";
    place.replaceChildren(field.form);
  }
  for (const details of target.querySelectorAll("details[id]")) {
    const next = fragment.querySelector(`#${CSS.escape(details.id)}`);
    if (next !== null) next.open = details.open;
  }
});

document.addEventListener("htmx:oobAfterSwap", () => {
  if (typing === null) return;
  const { id, start, end } = typing;
  typing = null;
  const field = document.getElementById(id);
  if (field === null) return;
  field.focus({ preventScroll: true });
  field.setSelectionRange(start, end);
});

// Enter, and Tab out of a field that was changed, keep it, and go on to the next one that is wrong.
// Of an error of several cells, which says so beside the row, one cell may be enough.
const isShared = (field) => field.closest("td").querySelector(".problem.error") === null;
function nextWrong(field) {
  const all = Array.from(table().querySelectorAll("[name=text]"));
  const later = all.slice(all.indexOf(field) + 1).filter((one) => one.ariaInvalid === "true");
  const isOfTheSame = (one) => one.closest("tr") === field.closest("tr") && isShared(one);
  return later.find((one) => !(isShared(field) && isOfTheSame(one))) ?? null;
}

// Where the answer says that what was kept is wrong, too, the keyboard goes back to it, unless
// something was typed elsewhere meanwhile.
let left = null;
document.addEventListener("htmx:afterSettle", () => {
  if (left === null || underWay > 0) return;
  const field = document.getElementById(left.id);
  const next = document.activeElement;
  if (field?.ariaInvalid === "true" && next.id === left.for && !isDirty(next)) {
    field.focus();
    field.select();
  }
  left = null;
});

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!isField(field) || event.isComposing) return;
  if (event.key === "Escape" && isDirty(field)) {
    field.value = field.defaultValue;
    return;
  }
  const enter = event.key === "Enter" && !event.shiftKey;
  const tab = event.key === "Tab" && !event.shiftKey && isDirty(field);
  if (!enter && !tab) return;
  event.preventDefault();
  const next = table()?.contains(field) ? nextWrong(field) : null;
  if (isDirty(field)) {
    field.form.requestSubmit();
    left = next === null ? null : { id: field.id, for: next.id };
  }
  if (next !== null) {
    next.focus();
    next.select();
  } else if (table()?.contains(field)) {
    document.querySelector(`#head-${field.form.elements.row.value}`)?.focus();
  }
});

// What was typed into other cells of the row, and left by the mouse, is kept with this one. Each is
// marked as sent before any of them is: the row that comes back may have no fields for them.
document.addEventListener("submit", (event) => {
  const field = event.target.elements.namedItem("text");
  if (!isField(field) || field.dataset.sent === field.value) return;
  const row = event.target.closest("tr");
  const others = Array.from(row?.querySelectorAll("form.mend [name=text]") ?? []);
  const unsent = others.filter((one) => one !== field && isUnsent(one));
  for (const one of [field, ...unsent]) one.dataset.sent = one.value;
  for (const one of unsent) one.form.requestSubmit();
}, true);
document.addEventListener("htmx:afterRequest", (event) => {
  const field = event.detail.elt.elements?.namedItem("text");
  if (!event.detail.successful && isField(field)) delete field.dataset.sent;
});

// A reason leads to its cell. As a plain link it would take the headers out of sight.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.(".of-cell a");
  const field = link && document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

document.addEventListener("input", (event) => {
  if (isField(event.target)) event.target.classList.toggle("changed", isDirty(event.target));
});

// A button that was pressed may be gone with what it did: the keyboard goes on nearby.
let last = "";
document.addEventListener("focusin", (event) => {
  last = event.target.closest?.("tr[id], [data-mark]")?.id ?? last;
});
document.addEventListener("htmx:afterSettle", () => {
  const place = document.getElementById(last);
  if (place === null || ![document.body, place].includes(document.activeElement)) return;
  const focusable =
    place.querySelector("[name=text]") ?? place.querySelector("th[tabindex], summary, button, a");
  (focusable ?? document.getElementById("main")).focus({ preventScroll: true });
});

// What was typed and not kept is not lost without a word.
document.addEventListener("htmx:confirm", (event) => {
  const row = event.target.closest?.("tr");
  if (!event.detail.path.includes("&shut=") && !event.detail.path.includes("?shut=")) return;
  const fields = Array.from(row?.querySelectorAll("form.mend [name=text]") ?? []);
  if (fields.some(isUnsent) && !window.confirm("Close the row without what was typed and not kept?")) {
    event.preventDefault();
  }
});
window.addEventListener("beforeunload", (event) => {
  const fields = Array.from(document.querySelectorAll("form.mend [name=text]"));
  if (fields.some(isUnsent)) event.preventDefault();
});
