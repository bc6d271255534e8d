// Plots: a point that is pointed at or focused says its numbers; arrow keys move from point to point; a slider moves a line.
// The server draws everything, with the numbers in a table below; without this file nothing is lost but the moving.
(() => {
  "use strict";

  const POINT = ".plot-point";
  const figureOf = (node) => (node instanceof Element ? node.closest(".plot-figure") : null);
  const isShown = (point) => point.getClientRects().length > 0; // its series may be switched off
  const place = (point) => ({ x: Number(point.dataset.x), y: Number(point.dataset.y) });

  // ---- what is said below the drawing ----------------------------------------------------------------------------------
  function say(figure, point) {
    const line = figure.querySelector(".plot-says");
    for (const other of figure.querySelectorAll(".at")) if (other !== point) other.classList.remove("at");
    if (point) point.classList.add("at");
    line.textContent = point ? point.getAttribute("aria-label") : line.dataset.hint;
  }

  const focused = (figure) => figure.querySelector(`${POINT}:focus`);

  // ---- one stop for the tab key a drawing: the point that was last at ----------------------------------------------------
  function makeStop(figure, stop) {
    for (const point of figure.querySelectorAll(POINT)) point.setAttribute("tabindex", point === stop ? "0" : "-1");
  }

  function mendStop(figure) {
    const now = figure.querySelector(`${POINT}[tabindex="0"]`);
    if (!now || !isShown(now)) makeStop(figure, [...figure.querySelectorAll(POINT)].find(isShown));
  }

  // ---- pointing --------------------------------------------------------------------------------------------------------
  function nearest(points, to) {
    let best = null;
    let least = Infinity;
    for (const point of points) {
      const { x, y } = place(point);
      const distance = (x - to.x) ** 2 + ((y - to.y) / 4) ** 2; // across counts: one reads a plot from left to right
      if (distance < least) [best, least] = [point, distance];
    }
    return best;
  }

  function pointed(event) {
    const drawing = event.target instanceof Element && event.target.closest("svg.plot");
    const figure = drawing && figureOf(drawing);
    const matrix = figure && drawing.getScreenCTM();
    if (!matrix) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const direct = event.target.closest(POINT);
    say(figure, direct || nearest([...figure.querySelectorAll(POINT)].filter(isShown), at));
  }
  document.addEventListener("pointermove", pointed);
  document.addEventListener("pointerdown", pointed);
  document.addEventListener("pointerout", (event) => {
    const drawing = event.target instanceof Element && event.target.closest("svg.plot");
    if (!drawing || drawing.contains(event.relatedTarget) || event.pointerType !== "mouse") return;
    const figure = figureOf(drawing);
    if (figure) say(figure, focused(figure));
  });

  document.addEventListener("focusin", (event) => {
    const figure = figureOf(event.target);
    if (!figure || !event.target.matches(POINT)) return;
    makeStop(figure, event.target);
    say(figure, event.target);
  });

  // ---- arrow keys ------------------------------------------------------------------------------------------------------
  function neighbour(point, key) {
    const series = point.closest("[data-series]");
    const mine = [...series.querySelectorAll(POINT)];
    const at = mine.indexOf(point);
    switch (key) {
      case "ArrowRight": return mine[at + 1];
      case "ArrowLeft": return mine[at - 1];
      case "Home": return mine[0];
      case "End": return mine.at(-1);
      case "ArrowUp": return inSeries(point, series, -1);
      case "ArrowDown": return inSeries(point, series, 1);
      default: return null;
    }
  }

  function inSeries(point, series, step) {
    const all = [...series.parentElement.querySelectorAll("[data-series]")];
    const there = all
      .map((other) => [...other.querySelectorAll(POINT)].filter(isShown))
      .filter((points) => points.length);
    const here = there.findIndex((points) => points.includes(point));
    const next = there[(here + step + there.length) % there.length];
    return nearest(next, { ...place(point), y: 0 });
  }

  document.addEventListener("keydown", (event) => {
    if (!(event.target instanceof Element) || !event.target.matches(`.plot-figure ${POINT}`)) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const next = neighbour(event.target, event.key);
    if (next === null) return; // not a key of ours
    event.preventDefault();
    if (next) next.focus();
  });

  // ---- the slider ------------------------------------------------------------------------------------------------------
  function slide(figure) {
    const box = figure.querySelector(".plot-slider");
    const slider = box.querySelector("input");
    const stop = box.querySelectorAll("li")[slider.valueAsNumber];
    const row = figure.querySelectorAll("tbody tr")[slider.valueAsNumber];
    slider.setAttribute("aria-valuetext", stop.textContent);
    box.querySelector(".plot-stop").textContent = stop.textContent;
    box.querySelector(".plot-outcome").textContent = row.dataset.says;
    const slug = figure.id;
    for (const drawing of document.querySelectorAll(`#${slug} svg.plot, [data-follows="${slug}"] svg.plot`)) {
      const line = drawing.querySelector(".plot-cursor");
      line.setAttribute("x1", stop.dataset.x);
      line.setAttribute("x2", stop.dataset.x);
      line.setAttribute("visibility", "visible");
    }
    for (const point of figure.querySelectorAll(POINT)) {
      point.classList.toggle("on-cursor", point.dataset.x === stop.dataset.x);
    }
  }

  document.addEventListener("input", (event) => {
    const figure = figureOf(event.target);
    if (figure && event.target.matches(".plot-slider input")) slide(figure);
  });
  document.addEventListener("change", (event) => {
    const figure = figureOf(event.target);
    if (!figure || !event.target.matches(".plot-legend input")) return;
    mendStop(figure);
    say(figure, null);
  });

  // ---- start, and again for what a refresh brings --------------------------------------------------------------------
  function begin(figure) {
    if (figure.hasAttribute("data-moving")) return;
    figure.setAttribute("data-moving", "");
    for (const point of figure.querySelectorAll(POINT)) {
      const title = point.querySelector("title"); // else the browser's own tip comes up beside ours
      point.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    const line = figure.querySelector(".plot-says");
    line.dataset.hint = line.textContent;
    line.hidden = false;
    mendStop(figure);
    const box = figure.querySelector(".plot-slider");
    if (!box) return;
    box.hidden = false;
    slide(figure);
  }

  function beginAll() {
    for (const figure of document.querySelectorAll(".plot-figure")) begin(figure);
  }

  document.addEventListener("DOMContentLoaded", beginAll);
  document.addEventListener("htmx:load", beginAll);
})();
