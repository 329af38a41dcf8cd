"use strict";
// The list shows what contains every word, is in the state, and, after a click in the matrix, has the finding.
const form = document.getElementById("filter");
const more = document.getElementById("more");
const rows = [...document.querySelectorAll(".list tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase() + " " + row.dataset.reasons.toLowerCase());
// So many are shown at once: a table of ten thousand rows takes a browser seconds to lay out.
const first = rows.filter((row) => !row.hidden).length;
let limit = first;
let cell = null;

function matches(row, text) {
  const inNamespace = !cell?.namespace || row.dataset.namespace === cell.namespace;
  const inCell = !cell || (inNamespace && row.dataset.reasons.split(" ").includes(cell.reason));
  const state = form.elements.state.value;
  const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  return inCell && (!state || row.dataset.state === state) && words.every((word) => text.includes(word));
}

function filter() {
  let found = 0;
  rows.forEach((row, index) => {
    const match = matches(row, texts[index]);
    found += match;
    const hidden = !match || found > limit;
    if (row.hidden !== hidden) row.hidden = hidden;
  });
  const where = cell ? ` with ${cell.reason}${cell.namespace && ` in ${cell.namespace}`}` : "";
  document.getElementById("shown").textContent = `${found} of ${rows.length}${where}`;
  document.getElementById("none").hidden = found > 0;
  more.hidden = found <= limit;
  more.querySelector("span").textContent = `The first ${limit} of ${found}`;
}

function refilter() {
  limit = first;
  filter();
}

form.addEventListener("input", refilter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => { cell = null; setTimeout(refilter); });
document.querySelector(".matrix")?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  form.reset();
  setTimeout(() => {
    cell = { namespace: button.dataset.namespace, reason: button.dataset.reason };
    refilter();
    document.getElementById("bindings").scrollIntoView();
  });
});
more.querySelector("button").addEventListener("click", () => { limit = rows.length; filter(); });
document.querySelector("#roles .more button")?.addEventListener("click", (event) => {
  document.querySelectorAll(".roles tr[hidden]").forEach((row) => { row.hidden = false; });
  event.target.closest(".more").hidden = true;
});
filter();
