// What the pages do beyond links and forms. Without it they work all the same.

// A list that is dropped is uploaded as if it had been chosen.
for (const form of document.querySelectorAll("[data-drop]")) {
  const input = form.querySelector("input[type=file]");
  const send = () => {
    if (input.files.length === 1) {
      form.classList.add("busy");
      form.requestSubmit();
    }
  };
  input.addEventListener("change", send);
  // Beside the zone, too: a browser would leave the page, and show the file instead.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) form.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files.length !== 1) {
      say("Drop one list at a time.");
      return;
    }
    input.files = event.dataTransfer.files;
    send();
  });
  // Back from the next page: the browser may show this one as it was left.
  window.addEventListener("pageshow", () => form.classList.remove("busy"));
}

function say(words) {
  const place = document.getElementById("notice");
  const notice = document.createElement("div");
  notice.className = "notice bad";
  const text = document.createElement("p");
  text.textContent = words;
  notice.append(text);
  place.replaceChildren(notice);
}

// htmx exchanges what it can; where the console does not answer at all, the page says so.
document.addEventListener("htmx:sendError", () => {
  say("The console does not answer. Does it still run? If not, start vcc-import console again: it opens a new page, or prints a link to it.");
});
document.addEventListener("htmx:beforeRequest", () => {
  document.getElementById("notice").replaceChildren();
});

// Where htmx exchanges a part, what had the focus may be gone with it: then the part takes it, so
// that the keyboard goes on from there. What the part says of itself is read out.
let focusWasIn = null;
let pressed = null;
document.addEventListener("htmx:beforeRequest", () => {
  // A button that is disabled while it waits for its answer loses the focus at once.
  pressed = document.activeElement;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  const focused = document.activeElement === document.body ? pressed : document.activeElement;
  focusWasIn = target.contains(focused) ? target.id : null;
});
document.addEventListener("htmx:afterSettle", (event) => {
  const part = document.getElementById(event.detail.target.id);
  if (part && part.id === focusWasIn && document.activeElement === document.body) {
    part.tabIndex = -1;
    part.focus({ preventScroll: true });
  }
  const said = event.detail.elt.dataset?.say ?? part?.dataset.say;
  if (said) document.getElementById("said").textContent = said;
});
