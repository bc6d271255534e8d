// The pages of unknown people: says how far grouping is, and has the page refreshed when there are new groups.
(() => {
  "use strict";

  const BUSY_MS = 1000;
  const IDLE_MS = 5000;
  let timer = 0;

  const line = () => document.getElementById("grouping");

  function schedule() {
    clearTimeout(timer);
    if (document.hidden || !line()) return;
    timer = setTimeout(poll, line().hasAttribute("data-busy") ? BUSY_MS : IDLE_MS);
  }

  async function poll() {
    const current = line();
    if (!current) return;
    try {
      const answer = await fetch(current.dataset.url, {
        headers: { "If-None-Match": `"${current.dataset.tag}"` },
        cache: "no-store",
        redirect: "error",
      });
      if (answer.status === 200) {
        const box = document.createElement("template");
        box.innerHTML = await answer.text();
        const fresh = box.content.getElementById("grouping");
        if (fresh && line()) {
          const known = line().dataset.edition;
          line().replaceWith(fresh);
          if (fresh.dataset.edition !== known) document.dispatchEvent(new CustomEvent("stale"));
        }
      }
    } catch {
      // Away or signed out: the next poll, or the next click, says so.
    }
    schedule();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));
  document.addEventListener("DOMContentLoaded", schedule);
})();
