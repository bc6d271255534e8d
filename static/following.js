// Lines of a page that say how something stands: asked for by their tag, and replaced where they stand when it changed.
(() => {
  "use strict";

  // id: of the line, whose data say `url` and `tag`. pause(line): milliseconds until the next look.
  // arrived(fresh, old): the line was replaced. Returns `look(ms)`: look in so many milliseconds, or when it is due.
  window.followLine = (id, { pause, arrived }) => {
    let timer = 0;
    const line = () => document.getElementById(id);

    function look(ms) {
      clearTimeout(timer);
      if (document.hidden || !line()) return;
      timer = setTimeout(ask, ms ?? pause(line()));
    }

    async function ask() {
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
          const fresh = box.content.getElementById(id);
          const old = line();
          if (fresh && old) {
            old.replaceWith(fresh);
            arrived(fresh, old);
          }
        }
      } catch {
        // Away or signed out: the next look, or the next click, says so.
      }
      look();
    }

    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look(0)));
    document.addEventListener("DOMContentLoaded", () => look());
    return { look };
  };
})();
