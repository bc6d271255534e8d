// The page that finds people by a picture: drop it anywhere, or paste it; it is sent as soon as it is chosen.
(() => {
  "use strict";

  const form = () => document.getElementById("find");

  function send(files) {
    const picture = [...files].find((file) => file.type.startsWith("image/") || /\.hei[cf]$/i.test(file.name));
    if (!picture) return;
    const chosen = new DataTransfer();
    chosen.items.add(picture);
    form().elements.picture.files = chosen.files;
    form().requestSubmit();
  }

  document.addEventListener("change", (event) => {
    if (event.target === form().elements.picture && event.target.files.length) form().requestSubmit();
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    form().classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form().classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form().classList.remove("over");
    send(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => send(event.clipboardData.files));
})();
