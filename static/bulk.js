// Several faces at once on a person's page: Shift ticks what lies between, and the bar says how many are ticked.
(() => {
  "use strict";

  const picks = () => [...document.querySelectorAll('.tile:not(.leaving) .pick input[type="checkbox"]')];
  let last = null;

  function show() {
    const count = document.getElementById("bulk-count");
    const all = document.getElementById("bulk-all");
    if (!count) return;
    const boxes = picks();
    const ticked = boxes.filter((box) => box.checked).length;
    count.textContent = ticked ? `${ticked} of ${boxes.length} selected` : "Tick faces to answer for several at once.";
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    all.closest("label").hidden = false;
    for (const button of document.querySelectorAll("#bulk button:not(.hidden)")) button.disabled = !ticked;
  }

  document.addEventListener("click", (event) => {
    const box = event.target instanceof HTMLInputElement && event.target.closest(".pick input");
    if (!box) return;
    const boxes = picks();
    if (event.shiftKey && boxes.includes(last)) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
    show();
  });

  document.addEventListener("change", (event) => {
    if (event.target.id !== "bulk-all") return;
    for (const box of picks()) box.checked = event.target.checked;
    show();
  });

  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:afterSettle", show); // more faces came, or the page refreshed itself
})();
