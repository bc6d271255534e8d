// The pages of unknown people: says how far grouping is, and has the page refreshed when there are new groups.
(() => {
  "use strict";

  const BUSY_MS = 1000;
  const IDLE_MS = 5000;

  window.followLine("grouping", {
    pause: (line) => (line.hasAttribute("data-busy") ? BUSY_MS : IDLE_MS),
    arrived: (fresh, old) => {
      if (fresh.dataset.edition !== old.dataset.edition) document.dispatchEvent(new CustomEvent("stale"));
    },
  });
})();
