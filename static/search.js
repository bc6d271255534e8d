// The search field of every page: a list of people below it while a name is typed. Arrows pick, Enter opens, Escape closes.
// Without this file Enter leads to the grid of people of that name.
(() => {
  "use strict";

  const field = () => document.getElementById("search");
  const list = () => document.getElementById("matches");
  const options = () => [...list().querySelectorAll('[role="option"]')];

  function open(shown) {
    list().hidden = !shown;
    field().setAttribute("aria-expanded", String(shown));
    if (!shown) pick(null);
  }

  function pick(option) {
    for (const each of options()) each.setAttribute("aria-selected", String(each === option));
    if (option) field().setAttribute("aria-activedescendant", option.id);
    else field().removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== list()) return;
    open(field().value.trim() !== "" && document.activeElement === field());
  });

  document.addEventListener("keydown", (event) => {
    if (event.target !== field() || event.isComposing) return;
    const all = options();
    const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "Escape" && !list().hidden) {
      event.preventDefault(); // the browser would empty the field as well
      open(false);
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && all.length) {
      event.preventDefault();
      open(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      pick(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length]);
    } else if (event.key === "Enter" && at >= 0 && !list().hidden) {
      event.preventDefault();
      all[at].click();
    }
  });

  document.addEventListener("focusin", (event) => {
    if (!field()) return;
    if (event.target === field()) open(options().length > 0 && field().value.trim() !== "");
    else if (!list().contains(event.target)) open(false);
  });
  document.addEventListener("pointerdown", (event) => {
    if (field() && !field().form.contains(event.target)) open(false);
  });
})();
