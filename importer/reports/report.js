"use strict";
// The table stands in the page already; this only hides the rows that were not asked for.
for (const section of document.querySelectorAll("[data-filtered]")) {
  const form = section.querySelector("form");
  const shown = section.querySelector("output");
  const rows = Array.from(section.querySelectorAll("tbody tr"), (row) => ({
    row,
    text: row.textContent.toLowerCase(),
    code: row.dataset.code,
    severity: row.dataset.severity,
  }));
  const filter = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const code = form.elements.code.value;
    const severity = form.elements.severity.value;
    let count = 0;
    for (const item of rows) {
      const fits =
        (!code || item.code === code) &&
        (!severity || item.severity === severity) &&
        words.every((word) => item.text.includes(word));
      item.row.hidden = !fits;
      count += fits;
    }
    shown.value = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
}
