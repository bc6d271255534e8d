// The API's reference: its forms send what they describe, and show what came back. Without this they stay hidden.
"use strict";

(() => {
  const csrf = document.getElementById("api").dataset.csrf;

  /** The request that a form describes. */
  const requestOf = (form) => {
    let path = form.dataset.path;
    const query = new URLSearchParams();
    const headers = { "X-CSRFToken": csrf };
    for (const field of form.querySelectorAll("[data-in]")) {
      if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
      else if (!field.value) continue;
      else if (field.dataset.in === "header") headers[field.name] = field.value;
      else query.set(field.name, field.value);
    }
    const options = { method: form.dataset.method, headers };
    const { body, files } = form.elements;
    if (files) {
      options.body = new FormData();
      for (const file of files.files) options.body.append("files", file);
    } else if (body) {
      headers["Content-Type"] = "application/json";
      options.body = body.value;
    }
    return [query.size ? `${path}?${query}` : path, options];
  };

  /** An answer as elements: a picture, or JSON as it reads best. */
  const shown = async (answer) => {
    const kind = answer.headers.get("Content-Type") || "";
    if (kind.startsWith("image/")) {
      const picture = new Image();
      picture.alt = "The picture that came back";
      picture.src = URL.createObjectURL(await answer.blob());
      return picture;
    }
    const text = await answer.text();
    const pre = document.createElement("pre");
    pre.tabIndex = 0;
    pre.textContent = kind.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
    return pre;
  };

  const send = async (form) => {
    const result = form.querySelector(".api-result");
    const button = form.querySelector("button");
    button.disabled = true;
    const line = document.createElement("p");
    try {
      const [url, options] = requestOf(form);
      const answer = await fetch(url, options);
      line.textContent = `${answer.status} ${answer.statusText} · ${options.method} ${url}`;
      line.className = answer.ok ? "api-status" : "api-status api-failed";
      const content = await shown(answer);
      for (const picture of result.querySelectorAll("img")) URL.revokeObjectURL(picture.src);
      result.replaceChildren(line, content);
    } catch {
      line.textContent = "No answer came. Is the server still running?";
      line.className = "api-status api-failed";
      result.replaceChildren(line);
    } finally {
      result.hidden = false;
      button.disabled = false;
    }
  };

  for (const form of document.querySelectorAll(".api-try")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }

  // A link to an operation opens it.
  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
