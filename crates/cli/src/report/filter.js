"use strict";
// The list shows what contains every word, is in the state, and, after a click in the matrix, has the finding.
const form = document.getElementById("filter");
const rows = [...document.querySelectorAll(".list tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase() + " " + row.dataset.reasons.toLowerCase());
let cell = null;

function filter() {
  const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = form.elements.state.value;
  let shown = 0;
  rows.forEach((row, index) => {
    const inCell = !cell || (row.dataset.namespace === cell.namespace && row.dataset.reasons.split(" ").includes(cell.reason));
    const matches = inCell && (!state || row.dataset.state === state) && words.every((word) => texts[index].includes(word));
    row.hidden = !matches;
    shown += matches;
  });
  const where = cell ? ` with ${cell.reason} in ${cell.namespace}` : "";
  document.getElementById("shown").textContent = `${shown} of ${rows.length}${where}`;
  document.getElementById("none").hidden = shown > 0;
}

form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => { cell = null; setTimeout(filter); });
document.querySelector(".matrix")?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  form.reset();
  setTimeout(() => {
    cell = { namespace: button.dataset.namespace, reason: button.dataset.reason };
    filter();
    document.getElementById("bindings").scrollIntoView();
  });
});
filter();
