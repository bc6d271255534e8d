// The page that brings pictures in: drop files and folders anywhere on it, see what is sent and what is left out.
(() => {
  "use strict";

  // In parts, so that the first are at work early, and a lost connection loses little.
  const PART_FILES = 50;
  const PART_BYTES = 100 * 2 ** 20;
  const LEFT_OUT_SHOWN = 200;
  const HIDDEN = /^(\.|thumbs\.db$|desktop\.ini$)/i;

  const form = document.getElementById("upload");
  const jobs = document.getElementById("jobs");
  const area = form.querySelector(".sending");
  const bar = area.querySelector("progress");
  const words = area.querySelector("p");
  const rows = area.querySelector(".sending-files");
  const leftOut = area.querySelector(".left-out");
  const waiting = [];
  let sending = false;

  // ---- what was dropped or chosen: files with their paths ---------------------------------------------------------------
  const entriesOf = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
  const pathOf = (entry) => entry.fullPath.replace(/^\//, "");

  async function walk(entry, found) {
    if (HIDDEN.test(entry.name)) return;
    try {
      if (entry.isFile) {
        found.files.push({ file: await fileOf(entry), path: pathOf(entry) });
        return;
      }
      const reader = entry.createReader();
      for (let some = await entriesOf(reader); some.length; some = await entriesOf(reader)) { // a hundred at a time
        for (const each of some) await walk(each, found);
      }
    } catch {
      found.refused.push({ path: pathOf(entry), why: "The browser cannot read it. Check its permissions." });
    }
  }

  async function dropped(transfer) {
    const found = { files: [], refused: [] };
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()); // at once: they expire
    if (entries.some(Boolean)) {
      for (const entry of entries.filter(Boolean)) await walk(entry, found);
    } else {
      found.files = [...transfer.files].map((file) => ({ file, path: file.name }));
    }
    return found;
  }

  function chosen(input) {
    const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    const isHidden = ({ path }) => path.split("/").some((part) => HIDDEN.test(part));
    return { files: files.filter((each) => !isHidden(each)), refused: [] };
  }

  // ---- what is left out, and why ----------------------------------------------------------------------------------------
  function whyNot(file) {
    if (!file.size) return "The file is empty.";
    if (file.type && !file.type.startsWith("image/")) return "It is not a picture.";
    return "";
  }

  let refused = 0;

  function leaveOut(path, why) {
    refused += 1;
    leftOut.hidden = false;
    leftOut.querySelector("summary").textContent = `${refused} not sent`;
    if (refused > LEFT_OUT_SHOWN) return;
    const row = document.createElement("li");
    const name = document.createElement("span");
    const reason = document.createElement("span");
    name.className = "path";
    name.textContent = path;
    reason.className = "muted";
    reason.textContent = why;
    row.append(name, " ", reason);
    leftOut.querySelector("ul").append(row);
  }

  // ---- sending ----------------------------------------------------------------------------------------------------------
  function nextPart() {
    const part = [];
    let bytes = 0;
    while (waiting.length && part.length < PART_FILES && (!part.length || bytes + waiting[0].file.size <= PART_BYTES)) {
      bytes += waiting[0].file.size;
      part.push(waiting.shift());
    }
    return part;
  }

  function showRows(part) {
    rows.replaceChildren(
      ...part.map(({ path }) => {
        const row = document.createElement("li");
        const name = document.createElement("span");
        const progress = document.createElement("progress");
        name.className = "path";
        name.textContent = path;
        progress.max = 1;
        progress.value = 0;
        progress.setAttribute("aria-label", `Sent of ${path}`);
        row.append(name, progress);
        return row;
      }),
    );
  }

  // A form sends its files one after the other, so the bytes that are through tell how far each of them is.
  function moveRows(part, sent) {
    let left = sent;
    part.forEach(({ file }, number) => {
      const through = Math.max(0, Math.min(file.size, left));
      left -= file.size;
      const progress = rows.children[number].querySelector("progress");
      progress.value = through / file.size;
      rows.children[number].classList.toggle("sent", through === file.size);
    });
  }

  function post(part, progress) {
    return new Promise((resolve, reject) => {
      const body = new FormData();
      body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
      part.forEach(({ path }, number) => body.append(`path-${number}`, path));
      part.forEach(({ file }, number) => body.append(`file-${number}`, file, file.name));
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.setRequestHeader("HX-Request", "true");
      request.upload.addEventListener("progress", (event) => progress(event.loaded));
      request.addEventListener("error", () => reject(new Error("The server does not answer. Try again in a moment.")));
      request.addEventListener("load", () => {
        const box = document.createElement("template");
        box.innerHTML = request.responseText;
        const job = box.content.querySelector(".job");
        if (request.status === 200 && job) resolve(job);
        else reject(new Error(box.content.textContent.trim() || `The server answered ${request.status}.`));
      });
      request.send(body);
    });
  }

  const total = { files: 0, bytes: 0, sentFiles: 0, sentBytes: 0, began: 0 };

  function tell(loaded) {
    const share = Math.min(1, (total.sentBytes + loaded) / total.bytes);
    const seconds = (performance.now() - total.began) / 1000;
    const left = Math.round(seconds * (1 / Math.max(share, 0.01) - 1));
    bar.value = share * 100;
    const rest = left > 2 ? `, about ${left} s left` : "";
    words.textContent = `${total.sentFiles} of ${total.files} files sent, ${Math.floor(share * 100)} %${rest}`;
  }

  async function sendAll() {
    sending = true;
    bar.hidden = false;
    total.began = performance.now();
    try {
      while (waiting.length) {
        const part = nextPart();
        showRows(part);
        tell(0);
        const job = await post(part, (loaded) => {
          moveRows(part, loaded);
          tell(loaded);
        });
        total.sentFiles += part.length;
        total.sentBytes += part.reduce((sum, { file }) => sum + file.size, 0);
        tell(0);
        jobs.prepend(job);
        window.htmx.process(job);
        document.dispatchEvent(new Event("queued"));
      }
      words.textContent = `${total.sentFiles} file${total.sentFiles === 1 ? "" : "s"} sent. You may leave this page; the work goes on.`;
    } catch (error) {
      words.textContent = `${total.sentFiles} of ${total.files} files sent. ${error.message}`;
      words.classList.add("problem");
      waiting.length = 0;
    }
    rows.replaceChildren();
    sending = false;
  }

  function send({ files, refused: unread }) {
    area.hidden = false;
    if (!sending) {
      Object.assign(total, { files: 0, bytes: 0, sentFiles: 0, sentBytes: 0 });
      refused = 0;
      leftOut.hidden = true;
      leftOut.querySelector("ul").replaceChildren();
      words.classList.remove("problem");
    }
    for (const { path, why } of unread) leaveOut(path, why);
    for (const each of files) {
      const why = whyNot(each.file);
      if (why) {
        leaveOut(each.path, why);
        continue;
      }
      waiting.push(each);
      total.files += 1;
      total.bytes += each.file.size;
    }
    if (waiting.length && !sending) sendAll();
    else if (!sending) {
      bar.hidden = true;
      words.textContent = "There is no picture among these files.";
    }
  }

  // ---- the form, and the whole page as a place to drop on -----------------------------------------------------------------
  function sendChosen(input) {
    const found = chosen(input);
    form.reset(); // nothing is sent twice, and the same may be chosen again
    send(found);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendChosen(form.elements.files);
  });
  const folder = document.getElementById("chosen-folder");
  if ("webkitdirectory" in folder) {
    form.querySelector(".drop-folder").hidden = false;
    folder.removeAttribute("tabindex");
    folder.addEventListener("change", () => folder.files.length && sendChosen(folder));
  }
  const carriesFiles = (event) => [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  });
  document.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    form.classList.remove("over");
    send(await dropped(event.dataTransfer));
  });
  window.addEventListener("beforeunload", (event) => sending && event.preventDefault());

  // ---- the other ways in: a job that was begun leaves its form empty --------------------------------------------------------
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful || !event.detail.elt.matches(".way, .source form")) return;
    event.detail.elt.reset();
    document.dispatchEvent(new Event("queued"));
  });
})();
