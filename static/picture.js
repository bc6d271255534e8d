// A picture's page: zoom by wheel, pinch, keys and buttons; move it by dragging; draw a face that was missed.
// Without this file the picture stands still, its original is a link, and the box of a missed face is four numbers.
(() => {
  "use strict";

  const MOST = 12; // times
  const CLICK = 4; // pixels that a hand trembles
  const STEP = 1.4;
  const SVG = "http://www.w3.org/2000/svg";

  document.documentElement.classList.add("js");

  const canvas = () => document.getElementById("canvas");
  const drawing = () => document.querySelector("#draw[open] form");

  // ---- what is seen: a part of the drawing, kept while the page refreshes itself -----------------------------------------
  let whole = null; // {width, height} of the drawing
  let seen = null; // {x, y, width} of the part

  let ready = null; // the element that shows it

  function begin() {
    const svg = canvas();
    if (!svg || svg === ready) return;
    ready = svg;
    whole = { width: Number(svg.dataset.width), height: Number(svg.dataset.height) };
    if (!seen) seen = { x: 0, y: 0, width: whole.width };
    show();
  }

  const zoom = () => whole.width / seen.width;

  function show() {
    const svg = canvas();
    const height = (seen.width * whole.height) / whole.width;
    seen.x = Math.min(Math.max(seen.x, 0), whole.width - seen.width);
    seen.y = Math.min(Math.max(seen.y, 0), whole.height - height);
    svg.setAttribute("viewBox", `${seen.x} ${seen.y} ${seen.width} ${height}`);
    document.documentElement.style.setProperty("--zoom", zoom().toFixed(3)); // no style on what htmx copies: the policy forbids
    svg.classList.toggle("zoomed", zoom() > 1);
    const fit = document.querySelector('[data-zoom="fit"]');
    if (fit) fit.textContent = `${Math.round(zoom() * 100)} %`;
    if (zoom() > 1.2) sharpen(svg);
  }

  function sharpen(svg) {
    const { large } = svg.dataset;
    if (!large) return;
    delete svg.dataset.large;
    const loading = new Image();
    loading.addEventListener("load", () => svg.querySelector("image").setAttribute("href", large));
    loading.src = large;
  }

  // A point of the screen in the drawing.
  function at(x, y) {
    return new DOMPoint(x, y).matrixTransform(canvas().getScreenCTM().inverse());
  }

  function middle() {
    const box = canvas().getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  }

  function zoomBy(factor, x, y) {
    const point = at(x, y);
    const width = Math.min(Math.max(seen.width / factor, whole.width / MOST), whole.width);
    const share = width / seen.width;
    seen = { x: point.x - (point.x - seen.x) * share, y: point.y - (point.y - seen.y) * share, width };
    show();
  }

  function moveBy(from, to) {
    const [start, end] = [at(...from), at(...to)];
    seen.x += start.x - end.x;
    seen.y += start.y - end.y;
    show();
  }

  function zoomAs(said) {
    if (said === "fit") {
      seen = { x: 0, y: 0, width: whole.width };
      show();
    } else {
      zoomBy(said === "in" ? STEP : 1 / STEP, ...middle());
    }
  }

  // ---- wheel, buttons, keys -----------------------------------------------------------------------------------------------
  const onCanvas = (event) => event.target instanceof Element && event.target.closest("#canvas");

  document.addEventListener(
    "wheel",
    (event) => {
      if (!onCanvas(event) || (zoom() === 1 && event.deltaY > 0)) return; // the whole picture is seen: the page scrolls
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY);
    },
    { passive: false },
  );

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-zoom]");
    if (button) zoomAs(button.dataset.zoom);
  });

  const KEYS = { "+": "in", "=": "in", "-": "out", 0: "fit" };
  const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  document.addEventListener("keydown", (event) => {
    if (!canvas() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest("input:not([type=checkbox]), select, textarea")) return;
    const arrow = ARROWS[event.key];
    if (event.key in KEYS) {
      event.preventDefault();
      zoomAs(KEYS[event.key]);
    } else if (arrow && zoom() > 1) {
      event.preventDefault();
      moveBy([0, 0], [arrow[0] * 64, arrow[1] * 64]);
    } else if (event.key === "Escape" && drawing()) {
      forget();
      document.getElementById("draw").open = false;
    }
  });

  // ---- fingers and the mouse: move, pinch, draw ----------------------------------------------------------------------------
  const pointers = new Map(); // where each was last
  let dragged = false;
  let box = null; // being drawn: its element, and where it began

  document.addEventListener("pointerdown", (event) => {
    if (!onCanvas(event) || event.button > 0) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    dragged = false;
    if (pointers.size > 1) forget();
    else if (drawing()) beginBox(event);
  });

  document.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const now = [event.clientX, event.clientY];
    if (!dragged && Math.hypot(now[0] - last[0], now[1] - last[1]) < CLICK) return;
    if (!dragged) {
      dragged = true;
      canvas().setPointerCapture(event.pointerId); // a drag that leaves the picture goes on; a click stays a click
      canvas().classList.add("dragging");
    }
    if (pointers.size === 2) pinch(event.pointerId, now);
    else if (box) growBox(now);
    else if (zoom() > 1) moveBy(last, now);
    pointers.set(event.pointerId, now);
  });

  function pinch(moved, now) {
    const [other] = [...pointers].filter(([id]) => id !== moved).map(([, place]) => place);
    const last = pointers.get(moved);
    const spread = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
    zoomBy(spread(now) / spread(last), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  for (const name of ["pointerup", "pointercancel"]) {
    document.addEventListener(name, (event) => {
      if (!pointers.delete(event.pointerId)) return;
      canvas()?.classList.remove("dragging");
      if (name === "pointercancel") forget();
      else if (box) endBox();
    });
  }

  document.addEventListener(
    "click",
    (event) => {
      if (!dragged || !onCanvas(event)) return;
      dragged = false;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
  document.addEventListener("dragstart", (event) => onCanvas(event) && event.preventDefault());

  function beginBox(event) {
    event.preventDefault();
    forget();
    const from = at(event.clientX, event.clientY);
    const element = document.createElementNS(SVG, "rect");
    element.setAttribute("class", "drawing");
    canvas().append(element);
    box = { element, from };
  }

  function growBox(now) {
    const to = at(...now);
    const { from, element } = box;
    const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)].map((x) => Math.min(Math.max(x, 0), whole.width));
    const [top, bottom] = [Math.min(from.y, to.y), Math.max(from.y, to.y)].map((y) => Math.min(Math.max(y, 0), whole.height));
    box.drawn = { x: left, y: top, width: right - left, height: bottom - top };
    for (const [name, value] of Object.entries(box.drawn)) element.setAttribute(name, String(value));
  }

  function endBox() {
    const { drawn } = box;
    const form = drawing();
    box = null;
    if (!drawn || !form) return forget();
    const pixels = Number(canvas().dataset.pixels) / whole.width;
    for (const [name, value] of Object.entries(drawn)) form.elements[name].value = (value * pixels).toFixed(1);
    return form.requestSubmit();
  }

  function forget() {
    box = null;
    for (const element of document.querySelectorAll("#canvas .drawing")) element.remove();
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt.closest?.("#draw")) forget();
  });
  document.addEventListener("drawn", (event) => {
    const face = document.getElementById(`face-${event.detail.face}`);
    const field = document.getElementById(`name-${event.detail.face}`);
    face?.scrollIntoView({ block: "nearest" });
    field?.focus({ preventScroll: true });
  });

  // ---- start ----------------------------------------------------------------------------------------------------------------
  document.addEventListener("htmx:afterSettle", begin);
  begin();
})();
