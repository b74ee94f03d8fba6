// Check and fix: what is exchanged with the server after an edit, and where the keyboard goes on.
// Without this every form works all the same, and loads the page again.

const step = () => document.getElementById("step");
const table = () => step()?.querySelector("table.fixing") ?? null;
const isField = (element) => element instanceof Element && element.matches("form.mend [name=text]");
const isDirty = (field) => field.value !== field.defaultValue;

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
let underWay = 0;
let crossed = false;
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig.verb !== "post") return;
  underWay += 1;
  if (underWay > 1) crossed = true;
  step()?.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.requestConfig.verb !== "post") return;
  underWay -= 1;
  if (underWay > 0) return;
  step()?.removeAttribute("aria-busy");
  if (crossed) {
    crossed = false;
    const [path, query] = [location.pathname, location.search];
    const csrf = document.querySelector("input[name=csrf]").value;
    window.htmx.ajax("POST", `${path}/look${query}`, { target: "#unsaid", swap: "none", values: { csrf } });
  }
});

// What was typed into a field that is exchanged meanwhile stays.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  for (const field of target.querySelectorAll("[name=text]")) {
    if (!isDirty(field) || field.dataset.sent === field.value) continue;
    const next = fragment.querySelector(`#${CSS.escape(field.id)}`);
    if (next !== null) next.value = field.value;
  }
  for (const details of target.querySelectorAll("details[id]")) {
    const next = fragment.querySelector(`#${CSS.escape(details.id)}`);
    if (next !== null) next.open = details.open;
  }
});

// Enter, and Tab out of a field that was changed, keep it, and go on to the next one that is wrong.
function nextWrong(field) {
  const fields = Array.from(document.querySelectorAll("table.fixing [aria-invalid=true]"));
  const all = Array.from(document.querySelectorAll("form.mend [name=text]"));
  const place = all.indexOf(field);
  return all.slice(place + 1).find((one) => fields.includes(one)) ?? null;
}

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
    field.dataset.sent = field.value;
    field.form.requestSubmit();
  }
  if (next !== null) {
    next.focus();
    next.select();
  } else if (table()?.contains(field)) {
    document.querySelector(`#head-${field.form.elements.row.value}`)?.focus();
  }
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
  if (document.activeElement !== document.body || !last) return;
  const place = document.getElementById(last);
  const focusable = place?.querySelector("[name=text], th[tabindex], summary, button, a");
  (focusable ?? document.getElementById("main")).focus({ preventScroll: true });
});

// What was typed and not kept is not lost without a word.
window.addEventListener("beforeunload", (event) => {
  const fields = Array.from(document.querySelectorAll("form.mend [name=text]"));
  const unsent = fields.some((field) => isDirty(field) && field.dataset.sent !== field.value);
  if (unsent && !submitting) event.preventDefault();
});
let submitting = false;
document.addEventListener("submit", () => {
  submitting = true;
  setTimeout(() => { submitting = false; }, 0);
});
