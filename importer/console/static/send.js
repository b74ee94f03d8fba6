// What is under way is told by the server as it happens: figures change in place, and the part of
// the page is exchanged when it has ended. Without this, loading the page again does the same.

let source = null;
const AGAIN = 3000; // milliseconds until a console that was ended is asked again

const STAGES = { reading: "Reading the list", checking: "Checking the rows", sending: "Sending" };
const PHASES = {
  begins: "It begins …",
  waits: "It waits: another import to this project is being sent. This one begins by itself.",
  first: "The first rows are being sent, and read back",
  sending: "Sending",
  stopping: "Stopping: what is on its way is being finished",
};

function step() {
  return document.getElementById("step");
}

function show(name, text) {
  for (const place of step().querySelectorAll(`[data-show="${name}"]`)) {
    if (place.textContent !== text) place.textContent = text;
  }
}

function bar(done, total) {
  const place = step().querySelector('progress[data-show="bar"]');
  if (place === null) return;
  if (total === null || total === undefined || done === null) {
    place.removeAttribute("value");
  } else {
    place.max = Math.max(total, 1);
    place.value = done;
  }
}

const number = new Intl.NumberFormat("en");

function duration(seconds) {
  if (seconds < 60) return "less than a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return minutes === 1 ? "about a minute" : `about ${minutes} minutes`;
  const hours = Math.floor(minutes / 60);
  return `about ${hours} h ${minutes % 60} min`;
}

function showState(state) {
  if (state.stage !== undefined) show("stage", STAGES[state.stage]);
  if (state.passed !== undefined) {
    show("passed", number.format(state.passed));
    bar(state.passed, state.total);
  }
  if (state.looking !== undefined) {
    if (state.looking === "stopping") show("looking", "Stopping: what was found is kept");
    show("looked", number.format(state.looked));
    show("found", number.format(state.found));
    bar(state.looked, state.total);
  }
  if (state.counts === undefined) return;
  show("phase", PHASES[state.phase]);
  for (const [name, count] of Object.entries(state.counts)) show(name, number.format(count));
  step().querySelector('[data-show="rejected"]')?.parentElement.classList.toggle("bad", state.counts.rejected > 0);
  show("rate", state.rate === null ? "–" : `${number.format(Math.round(state.rate))} a second`);
  show("left", state.left === null ? "–" : duration(state.left));
  show("trouble", state.trouble);
  show("note", state.note);
  bar(state.done, state.total);
}

function exchange() {
  const address = step().dataset.pageAddress;
  window.htmx.ajax("GET", address, { target: "#step", swap: "outerHTML" });
}

function watch() {
  if (source !== null) source.close();
  source = null;
  const address = step()?.dataset.events;
  if (!address) return;
  source = new EventSource(`${address}?page=${document.body.dataset.page}`);
  source.addEventListener("state", (event) => showState(JSON.parse(event.data)));
  source.addEventListener("ended", () => {
    source.close();
    exchange();
  });
  source.addEventListener("error", () => {
    show("trouble", "The console does not answer. If it was ended, start it again: what was sent is known, and it can go on.");
    // The browser tries again by itself, unless it was refused: then the console is another one, and
    // this page is shown again once the new link was opened in this browser.
    if (source.readyState === EventSource.CLOSED) whenItAnswers();
  });
}

let asking = null;
function whenItAnswers() {
  asking ??= setInterval(async () => {
    const answer = await fetch(location.href, { method: "HEAD" }).catch(() => null);
    if (answer?.ok) location.reload();
  }, AGAIN);
}
document.addEventListener("htmx:sendError", () => {
  if (source !== null) whenItAnswers();
});

// Seconds that are to pass are counted down; then it is said that they have.
setInterval(() => {
  for (const place of document.querySelectorAll("[data-wait]")) {
    place.dataset.wait -= 1;
    if (place.dataset.wait > 0) place.textContent = number.format(place.dataset.wait);
    else place.parentElement.textContent = "The time has passed: now.";
  }
}, 1000);

// A button that is disabled while its form is sent loses the focus: the part that comes takes it.
let ordered = false;
document.addEventListener("htmx:beforeRequest", (event) => {
  ordered = step().contains(event.detail.elt);
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "step") return;
  if (ordered && document.activeElement === document.body) {
    step().tabIndex = -1;
    step().focus({ preventScroll: true });
  }
  watch();
});

// What is typed beside a choice chooses it.
document.addEventListener("input", (event) => {
  const name = event.target.dataset?.chooses;
  if (!name) return;
  const value = event.target.dataset.value ?? "mean";
  for (const choice of event.target.form.elements) {
    if (choice.name === name && choice.value === value) choice.checked = true;
  }
});

watch();
