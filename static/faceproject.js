// Progressive enhancement: every page works without it. htmx moves the partials; this file adds what htmx has no words for.
(() => {
  "use strict";

  const main = () => document.getElementById("main");
  const toasts = () => document.getElementById("toasts");

  // ---- toasts: they leave by themselves, but not while somebody is on them ------------------------------------------
  const TOAST_MS = 6000;
  const UNDO_MS = 12000;

  function dismissLater(toast) {
    const leave = () => {
      if (toast.matches(":hover, :focus-within")) return setTimeout(leave, 1000);
      toast.classList.add("leaving");
      return setTimeout(() => toast.remove(), 200);
    };
    setTimeout(leave, toast.querySelector("form") ? UNDO_MS : TOAST_MS);
  }

  function say(text) {
    const toast = document.createElement("div");
    toast.className = "toast toast-failed";
    toast.setAttribute("role", "alert");
    const line = document.createElement("p");
    line.textContent = text;
    toast.append(line);
    toasts().append(toast);
  }

  // The same failure again is shown once: it was tried again, and failed again.
  function arrive(toast) {
    for (const other of toasts().querySelectorAll(".toast-failed")) {
      if (other !== toast && other.textContent.trim() === toast.textContent.trim()) other.remove();
    }
    dismissLater(toast);
  }

  function watchToasts() {
    for (const toast of toasts().children) dismissLater(toast);
    new MutationObserver((changes) => {
      for (const change of changes) {
        for (const node of change.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) arrive(node);
      }
      while (toasts().children.length > 3) toasts().firstElementChild.remove();
    }).observe(toasts(), { childList: true });
  }

  // ---- optimistic labelling: the crop leaves at once, and comes back when the server says no ---------------------------
  function tileOf(event) {
    const form = event.detail.elt;
    return form instanceof HTMLFormElement && form.matches(".choices") ? form.closest(".tile") : null;
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const tile = tileOf(event);
    if (!tile) return;
    const active = document.activeElement;
    if (tile.contains(active)) {
      const kind = active.className;
      const next = tile.nextElementSibling || tile.previousElementSibling;
      const same = next && [...next.querySelectorAll("button")].find((button) => button.className === kind);
      if (same) same.focus({ preventScroll: true });
    }
    tile.classList.add("leaving");
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const tile = tileOf(event);
    if (tile && !event.detail.successful) tile.classList.remove("leaving");
  });

  // ---- a change on its way: no refresh may take the form it came from off the page before its answer is there ------------
  let changes = 0;
  const isChange = (event) => event.detail.requestConfig.verb !== "get";
  const changing = () => changes > 0 || main().querySelector(".leaving") !== null;

  document.addEventListener("htmx:beforeSend", (event) => {
    if (!isChange(event)) return;
    changes += 1;
    event.detail.xhr.addEventListener("loadend", () => { // comes also where the form has left the page
      changes -= 1;
    });
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (isChange(event) || event.detail.target !== main() || !(changing() || typing())) return;
    event.detail.shouldSwap = false;
    waiting = true;
  });

  document.addEventListener("htmx:sendError", (event) => {
    say(
      isChange(event)
        ? "The server does not answer. This may have been saved all the same; try again in a moment, it is done once."
        : "The server does not answer. Try again in a moment.",
    );
  });

  // ---- learning: poll the tag, faster while something is being learned; refresh pages that show predictions ------------
  const FAST_MS = 250;
  const BUSY_MS = 1000;
  const IDLE_MS = 4000;
  let fastUntil = 0;
  let shown = null;
  let waiting = false;

  const line = () => document.getElementById("learning");

  const learning = window.followLine("learning", {
    pause: (here) => {
      if (performance.now() < fastUntil) return FAST_MS;
      return here.hasAttribute("data-busy") ? BUSY_MS : IDLE_MS;
    },
    arrived: (fresh) => {
      countJobs(fresh.dataset.jobs);
      if (fresh.dataset.predictions !== shown) refresh(fresh.dataset.predictions);
    },
  });

  function countJobs(number) {
    const count = document.getElementById("jobs-running");
    if (!count) return;
    count.textContent = number;
    count.hidden = number === "0";
  }

  function typing() {
    const active = document.activeElement;
    const open = main().querySelector("details[open]");
    const field = active && main().contains(active) && active.matches("input:not([type=hidden]), select, textarea");
    const picked = main().querySelector(".pick input:checked");
    return Boolean(open) || Boolean(picked) || Boolean(field && active.value);
  }

  function refresh(predictions) {
    if (predictions !== undefined) shown = predictions;
    if (!main().hasAttribute("data-follow")) return;
    if (typing() || changing()) {
      waiting = true;
      return;
    }
    waiting = false;
    const known = new Set([...main().querySelectorAll(".tile, .card")].map((item) => item.id));
    const here = new URL(location.href);
    here.searchParams.delete("cursor");
    const size = main().querySelectorAll(".tile, .card").length;
    if (size > 60) here.searchParams.set("limit", String(size));
    const left = window.scrollX;
    const top = window.scrollY;
    window.htmx
      .ajax("GET", here.pathname + here.search, { target: "#main", select: "#main", swap: "outerHTML show:none" })
      .then(() => {
        window.scrollTo(left, top);
        for (const item of main().querySelectorAll(".tile, .card")) {
          if (!known.has(item.id)) item.classList.add("arriving");
        }
      });
  }

  document.addEventListener("focusout", () => {
    if (waiting) setTimeout(() => waiting && refresh(), 300);
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (waiting) setTimeout(() => waiting && refresh(), 300);
  });
  document.addEventListener("toggle", (event) => waiting && !event.target.open && refresh(), true); // a menu was closed

  document.addEventListener("labelled", () => {
    fastUntil = performance.now() + 15000;
    learning.look(50);
  });
  document.addEventListener("queued", () => { // work was begun that may soon be of interest
    fastUntil = performance.now() + 15000;
    learning.look();
  });
  document.addEventListener("undone", () => refresh());
  document.addEventListener("stale", () => refresh()); // from scripts of single pages
  window.addEventListener("pageshow", (event) => event.persisted && refresh()); // back: what was labelled since is gone

  // ---- a face and its box light up together -----------------------------------------------------------------------------
  function light(event, on) {
    const here = event.target instanceof Element && event.target.closest("[data-face]");
    if (!here) return;
    const number = CSS.escape(here.dataset.face);
    for (const part of document.querySelectorAll(`[data-face="${number}"]`)) part.classList.toggle("lit", on);
  }
  for (const name of ["mouseover", "focusin"]) document.addEventListener(name, (event) => light(event, true));
  for (const name of ["mouseout", "focusout"]) document.addEventListener(name, (event) => light(event, false));

  // ---- menus close on Escape and on a click elsewhere; opening one puts the cursor into its field --------------------------
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open], details.popover[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open], details.popover[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener(
    "toggle",
    (event) => {
      const menu = event.target.open && event.target.matches("details.menu, details.popover");
      const field = menu && event.target.querySelector("input:not([type=hidden])");
      if (field) field.select();
    },
    true,
  );

  // ---- start -------------------------------------------------------------------------------------------------------------
  document.addEventListener("DOMContentLoaded", () => {
    watchToasts();
    if (!line()) return;
    shown = line().dataset.predictions;
    if (toasts().children.length) fastUntil = performance.now() + 15000; // something was just changed without a partial
    learning.look();
  });
})();
