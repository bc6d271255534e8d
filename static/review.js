// The review queue: the next questions wait in the page, an answer shows the next one at once, and is sent behind it.
(() => {
  "use strict";

  const AHEAD = 9; // with fewer questions in hand, more are asked for
  const PRELOADED = 3; // questions whose pictures are decoded before they are shown
  const PACE_MS = 120000; // the faces of so long make the pace
  const STORED = "review-pace";

  const box = () => document.getElementById("review");
  const cards = () => [...box().querySelectorAll(".question")];
  const current = () => box() && box().querySelector(".question:not([hidden])");
  const facesOf = (card) => card.dataset.faces.trim().split(/\s+/);

  let sent = Promise.resolve(); // answers go out one after the other: an undo never overtakes what it undoes
  let given = []; // what can be taken back, last one last
  let answeredSince = new Set(); // faces answered after the last request for more
  let asking = false;

  // ---- showing -------------------------------------------------------------------------------------------------------
  const preloaded = new WeakSet();

  function preload() {
    for (const card of cards().slice(0, PRELOADED)) {
      if (preloaded.has(card)) continue;
      preloaded.add(card);
      for (const picture of card.querySelectorAll("img")) picture.decode().catch(() => {}); // gone: its text stands there
    }
  }

  function show(card) {
    const focused = document.activeElement === document.body || !document.activeElement.isConnected;
    for (const other of cards()) other.hidden = other !== card;
    document.getElementById("review-empty").hidden = Boolean(card);
    document.getElementById("main").toggleAttribute("data-follow", !card);
    document.getElementById("review-undo").disabled = !given.length;
    if (card && focused) card.focus({ preventScroll: true });
    tell(card ? told(card) : "Nothing to ask.");
    preload();
    if (cards().length < AHEAD) askForMore();
  }

  function told(card) {
    const names = [...card.querySelectorAll(".candidates button")];
    const choices = names.map((button) => `${button.dataset.key}: ${button.dataset.does}`);
    return [card.querySelector("h2").textContent.trim(), ...choices].join(" ");
  }

  /** How many there are to ask; of "99+" nobody counts down. */
  function left(number) {
    document.getElementById("review-left").textContent = number;
  }

  function countDown(by) {
    const number = Number(document.getElementById("review-left").textContent);
    if (Number.isInteger(number)) left(Math.max(number - by, 0));
  }

  function tell(text) {
    document.getElementById("review-said").textContent = text;
  }

  function complain(partial, text) {
    const holder = document.createElement("template");
    holder.innerHTML = partial;
    let toast = holder.content.querySelector(".toast");
    if (!toast) {
      toast = document.createElement("div");
      toast.className = "toast toast-failed";
      toast.setAttribute("role", "alert");
      toast.append(Object.assign(document.createElement("p"), { textContent: text }));
    }
    document.getElementById("toasts").append(toast);
  }

  // ---- more questions ------------------------------------------------------------------------------------------------
  async function askForMore() {
    if (asking) return;
    asking = true;
    answeredSince = new Set();
    let added = 0;
    try {
      await sent; // what is on its way must not be asked again
      const answer = await fetch(box().dataset.more, { headers: { "HX-Request": "true", "HX-Target": "more-questions" } });
      if (answer.ok && !leave(answer)) added = await add(await answer.text());
    } catch {
      // Away: the next answer says so.
    }
    asking = false;
    if (!box()) return;
    if (added) preload();
  }

  /** One question after the other, with pauses: a key that is pressed meanwhile waits for one of them at most. */
  async function add(partial) {
    const holder = document.createElement("template");
    holder.innerHTML = partial;
    let added = 0;
    for (const card of holder.content.querySelectorAll(".question")) {
      if (!box()) return added;
      const known = new Set([...answeredSince, ...cards().flatMap(facesOf)]);
      if (facesOf(card).some((face) => known.has(face))) continue;
      card.hidden = true;
      box().append(card);
      left(card.dataset.open);
      window.htmx.process(card);
      added += 1;
      if (!current()) show(card);
      await new Promise((resume) => setTimeout(resume));
    }
    return added;
  }

  /** Signed out meanwhile: go where the answer says. */
  function leave(answer) {
    const address = answer.headers.get("HX-Redirect");
    if (address) location.assign(address);
    return Boolean(address);
  }

  // ---- answering -----------------------------------------------------------------------------------------------------
  function newId() { // crypto.randomUUID is for https only
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  function answer(card, form, button) {
    const body = new FormData(form);
    const entry = { card, failed: false, command: "", faces: 0 };
    if (form.matches(".answers")) {
      if (button && button.name) body.set(button.name, button.value);
      else if (!body.get("name").trim()) return card.querySelector("[name=name]").focus();
      entry.command = newId();
      entry.faces = body.getAll("faces").length;
      body.set("command_id", entry.command);
    }
    for (const face of facesOf(card)) answeredSince.add(face);
    given.push(entry);
    card.remove();
    count(entry.faces);
    countDown(1);
    sent = sent.then(() => send(form.action, body)).then(
      () => entry.command && document.body.dispatchEvent(new CustomEvent("labelled", { bubbles: true })),
      (error) => {
        entry.failed = true;
        if (!given.includes(entry)) return; // taken back meanwhile: the face is here already
        given = given.filter((other) => other !== entry);
        count(-entry.faces);
        bringBack(card);
        complain(error.partial, error.message);
      },
    );
    return show(cards()[0]);
  }

  async function send(address, body) {
    let response;
    try {
      response = await fetch(address, { method: "POST", body, headers: { "HX-Request": "true" } });
    } catch {
      throw Object.assign(new Error("The server does not answer. The face is back; try again in a moment."), { partial: "" });
    }
    if (leave(response)) return;
    if (!response.ok) {
      const partial = await response.text();
      throw Object.assign(new Error(`The server answered ${response.status}. The face is back; try again.`), { partial });
    }
  }

  function bringBack(card) {
    if (!box()) return;
    for (const face of facesOf(card)) answeredSince.delete(face);
    box().prepend(card);
    countDown(-1);
    show(card);
  }

  function undo() {
    const entry = given.pop();
    if (!entry) return;
    count(-entry.faces);
    bringBack(entry.card);
    if (!entry.command) return; // skipped: nothing was said
    const body = new FormData();
    body.set("csrfmiddlewaretoken", entry.card.querySelector("[name=csrfmiddlewaretoken]").value);
    body.set("undo", entry.command);
    sent = sent.then(() => (entry.failed ? undefined : send(box().dataset.undo, body))).catch((error) => {
      entry.card.remove();
      countDown(1);
      show(cards()[0]);
      complain(error.partial, "This could not be undone; look at the history.");
    });
  }

  // ---- how many, how fast ----------------------------------------------------------------------------------------------
  function pace() {
    try {
      return JSON.parse(sessionStorage.getItem(STORED)) || { faces: 0, times: [] };
    } catch {
      return { faces: 0, times: [] };
    }
  }

  function count(faces) {
    const now = Date.now();
    const { faces: before, times } = pace();
    const lately = times.filter(([at]) => now - at < PACE_MS);
    if (faces > 0) lately.push([now, faces]);
    else if (faces < 0) lately.pop();
    const state = { faces: Math.max(before + faces, 0), times: lately };
    sessionStorage.setItem(STORED, JSON.stringify(state));
    showPace(state);
  }

  function showPace({ faces, times }) {
    const words = faces ? [` · ${faces} answered`] : [];
    if (times.length > 2) {
      const minutes = (times.at(-1)[0] - times[0][0]) / 60000;
      const rated = times.slice(1).reduce((sum, [, n]) => sum + n, 0);
      if (minutes > 0) words.push(`${Math.round(rated / minutes)} faces a minute`);
    }
    document.getElementById("review-pace").textContent = words.join(" · ");
  }

  // ---- keys ------------------------------------------------------------------------------------------------------------
  const KEYS_OF_THE_PAGE = { u: undo, "?": help };

  function help() {
    const dialog = document.getElementById("review-help");
    if (dialog.open) return dialog.close();
    const card = current();
    const here = card ? [...card.querySelectorAll("[data-key]")].map((part) => [part.dataset.key, part.dataset.does]) : [];
    if (given.length) here.push(["u", "Undo the last answer"]);
    here.push(["?", "Close these"]);
    dialog.querySelector("dl").replaceChildren(
      ...here.flatMap(([key, does]) => {
        const term = document.createElement("dt");
        term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
        return [term, Object.assign(document.createElement("dd"), { textContent: does })];
      }),
    );
    return dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    if (!box() || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.matches("input:not([type=checkbox]), textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const open = document.getElementById("review-help").open;
    const act = KEYS_OF_THE_PAGE[event.key];
    const part = !open && current() && current().querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (act && (!open || act === help)) act();
    else if (part && part.matches("input")) part.focus();
    else if (part) part.click();
    else return;
    event.preventDefault();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const card = box() && current();
    if (!card || !card.contains(form)) return;
    event.preventDefault();
    answer(card, form, event.submitter);
  });

  // ---- start -------------------------------------------------------------------------------------------------------------
  function start() {
    if (!box()) return;
    document.querySelector(".review-tools").hidden = false;
    document.getElementById("review-undo").addEventListener("click", undo);
    document.getElementById("review-help-open").addEventListener("click", help);
    document.getElementById("review-help-close").addEventListener("click", help);
    document.documentElement.classList.add("keys-work");
    showPace(pace());
    show(cards()[0]);
  }

  document.addEventListener("DOMContentLoaded", start);
  document.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "main" && start()); // refreshed by itself
})();
