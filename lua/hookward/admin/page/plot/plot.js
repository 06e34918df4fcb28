// A small plot of a timeline, drawn as SVG.
//
// A plot has axes with units. The value at one time is read by pointing, or with the arrow keys once
// the plot has the focus: for assistive technology it is a slider over time, whose text is what the
// point says. The same numbers are in a table, which is filled when it is opened.

import { h, put, s } from "../dom.js";
import { momentOf, ticks, timeMarks, units } from "./axes.js";

const HEIGHT = 150;
const MARGIN = { top: 10, right: 10, bottom: 24, left: 52 };
const LABEL = 18; // half the width of a time below the plot
const PAGE = 10; // points that Page Up and Page Down pass over

/** @typedef {{ t: number, low: number, high: number }} Edge of an area, or the height of a line */
/** @typedef {(t: number) => number} Scale from a time or a value to a place in pixels */
/** @typedef {{ t: number, values: (number | null)[] }} Point */

// ---- shapes ----

/** @param {number} x @param {number} y */
const at = (x, y) => `${x.toFixed(1)},${y.toFixed(1)}`;

/**
 * @param {(Edge | null)[]} edges
 * @param {number} step seconds between two
 * @returns {Edge[][]} runs of neighbours that have a value; what is between two runs stays empty
 */
function runs(edges, step) {
  const found = [];
  /** @type {Edge[]} */
  let run = [];
  for (const edge of edges) {
    const before = run.at(-1);
    if (edge === null) {
      run = [];
    } else if (before && edge.t - before.t < step * 1.5) {
      run.push(edge);
    } else {
      run = [edge];
      found.push(run);
    }
  }
  return found;
}

/**
 * An area between two edges that are flat for one step at a time.
 * @param {Edge[]} run @param {number} step @param {Scale} x @param {Scale} y
 */
function areaPath(run, step, x, y) {
  const top = [];
  const bottom = [];
  for (const { t, low, high } of run) {
    top.push(at(x(t), y(high)), at(x(t + step), y(high)));
    bottom.push(at(x(t), y(low)), at(x(t + step), y(low)));
  }
  return `M${top.join("L")}L${bottom.reverse().join("L")}Z`;
}

/** @param {Edge[]} run @param {number} step @param {Scale} x @param {Scale} y */
function linePath(run, step, x, y) {
  const path = run.map(({ t, high }) => at(x(t + step / 2), y(high)));
  return `M${path.join("L")}${path.length === 1 ? "h0.1" : ""}`;
}

// ---- a plot ----

/**
 * @param {{
 *   title: string, unit: "rate" | "seconds" | "count",
 *   stacked?: boolean, area?: boolean,
 *   series: { label: string, tone: string, value: (point: any, step: number) => number | null }[],
 * }} options `value` takes a point of the host's timeline; `tone` is a class of views.css; stacked series lie on each other, the first at the bottom
 * @returns {{ element: HTMLElement, draw: (timeline: { step: number, points: any[] }, span: number) => void, end: () => void }}
 *   draw shows `span` seconds up to the timeline's last point
 */
export function makePlot({ title, unit, series, stacked = false, area = false }) {
  const when = h("span", { class: "plot-when" });
  const values = series.map(() => h("span", { class: "plot-value" }));
  const legend = h("div", { class: "plot-legend" }, series.map((one, i) =>
    h("span", { class: "plot-key" },
      h("i", { class: `plot-swatch ${one.tone}`, "aria-hidden": "true" }), one.label, " ",
      values[i])));
  const picture = s("svg", { class: "plot-picture", height: HEIGHT, tabindex: 0, role: "slider",
    "aria-label": `${title}, over time`, "aria-orientation": "horizontal" });
  const body = h("tbody");
  const table = h("details", { class: "plot-table" }, h("summary", {}, "As a table"),
    h("div", { class: "plot-rows", tabindex: "0" },
      h("table", { class: "table" }, h("caption", { class: "unseen" }, title),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"),
          series.map((one) => h("th", { scope: "col", class: "right" }, one.label)))), body)));
  const element = h("figure", { class: "plot" }, h("figcaption", {}, h("span", {}, title), when),
    legend, picture, table);

  /** @type {Point[]} the oldest first */
  let points = [];
  let step = 60;
  let span = 3600;
  /** @type {number | null} a point's index, while one is read */
  let chosen = null;
  /**
   * Of the last drawing.
   * @type {{ x: Scale, y: Scale, from: number, write: (value: number) => string, marker: SVGElement,
   *   width: number }}
   */
  let scales;

  /** @param {Point} point */
  const topOf = (point) => (stacked
    ? point.values.reduce((/** @type {number} */ sum, value) => sum + (value ?? 0), 0)
    : Math.max(0, ...point.values.map((value) => value ?? 0)));
  /** @param {number | null} value */
  const written = (value) => (value === null ? "–" : scales.write(value));

  // ---- reading one point ----

  /** @param {Point} point */
  const isEmpty = (point) => point.values.every((value) => value === null);

  function say() {
    const point = points[chosen ?? points.length - 1];
    when.textContent = point ? (chosen === null ? "latest" : momentOf(point.t, span)) : "";
    values.forEach((node, i) => { node.textContent = point ? written(point.values[i]) : ""; });
    const text = !point ? "nothing yet" : `${momentOf(point.t, span)}: ${isEmpty(point) ? "nothing"
      : series.map((one, i) => `${one.label} ${written(point.values[i])}`).join(", ")}`;
    picture.setAttribute("aria-valuemin", "0");
    picture.setAttribute("aria-valuemax", String(Math.max(0, points.length - 1)));
    picture.setAttribute("aria-valuenow", String(Math.max(0, chosen ?? points.length - 1)));
    picture.setAttribute("aria-valuetext", text);
    mark(point);
  }

  /** @param {Point | undefined} point */
  function mark(point) {
    const { marker, x, y } = scales;
    put(marker);
    if (chosen === null || !point) return;
    const middle = x(point.t + step / 2);
    marker.append(s("line", { class: "plot-cursor", x1: middle, x2: middle, y1: MARGIN.top,
      y2: HEIGHT - MARGIN.bottom }));
    let sum = 0;
    series.forEach((one, i) => {
      const value = point.values[i];
      if (value === null || (stacked && value === 0)) return;
      sum += value;
      marker.append(s("circle", { class: `plot-dot ${one.tone}`, cx: middle,
        cy: y(stacked ? sum : value), r: 3.5 }));
    });
  }

  /** @param {number | null} index */
  function choose(index) {
    chosen = index === null || points.length === 0 ? null
      : Math.max(0, Math.min(points.length - 1, index));
    say();
  }

  /** @param {number} clientX */
  function nearest(clientX) {
    const t = scales.from + (clientX - picture.getBoundingClientRect().left - MARGIN.left)
      / scales.width * span;
    let best = 0;
    points.forEach((point, i) => {
      if (Math.abs(point.t + step / 2 - t) < Math.abs(points[best].t + step / 2 - t)) best = i;
    });
    return best;
  }

  picture.addEventListener("pointermove", (event) => choose(nearest(event.clientX)));
  picture.addEventListener("pointerdown", (event) => choose(nearest(event.clientX)));
  picture.addEventListener("pointerleave", () => {
    if (document.activeElement !== picture) choose(null);
  });
  picture.addEventListener("focus", () => { if (chosen === null) choose(points.length - 1); });
  picture.addEventListener("blur", () => choose(null));
  picture.addEventListener("keydown", (event) => {
    const now = chosen ?? points.length - 1;
    /** @type {number | undefined} */
    const to = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1,
      PageDown: now - PAGE, PageUp: now + PAGE, Home: 0, End: points.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    choose(to);
  });

  // ---- drawing ----

  function paint() {
    const outer = Math.floor(picture.getBoundingClientRect().width) || 320;
    const width = Math.max(40, outer - MARGIN.left - MARGIN.right);
    const floor = HEIGHT - MARGIN.bottom;
    const last = points[points.length - 1];
    const to = last ? last.t + step : Date.now() / 1000;
    const from = to - span;
    const max = Math.max(0, ...points.map(topOf));
    const { factor, text } = units[unit](max);
    const marks = ticks(max * factor, unit === "count").map((mark) => mark / factor);
    const top = marks[marks.length - 1];
    /** @type {Scale} */
    const x = (t) => MARGIN.left + (t - from) / span * width;
    /** @type {Scale} */
    const y = (value) => floor - value / top * (floor - MARGIN.top);
    picture.setAttribute("viewBox", `0 0 ${outer} ${HEIGHT}`);
    const marker = s("g", { "aria-hidden": "true" });
    put(picture,
      ...marks.map((mark) => s("line", { class: mark === 0 ? "plot-floor" : "plot-grid",
        x1: MARGIN.left, x2: MARGIN.left + width, y1: y(mark), y2: y(mark) })),
      ...marks.map((mark) => s("text", { class: "plot-label", x: MARGIN.left - 7, y: y(mark) + 4,
        "text-anchor": "end" }, max === 0 && mark > 0 ? "" : text(mark))),
      ...timeMarks(from, to, width).flatMap(([time, name]) => [
        s("line", { class: "plot-tick", x1: x(time), x2: x(time), y1: floor, y2: floor + 4 }),
        x(time) > outer - LABEL ? null : s("text", { class: "plot-label", x: x(time), y: HEIGHT - 6,
          "text-anchor": "middle" }, name)]),
      ...shapes(points.filter((point) => point.t >= from - step / 2), x, y), marker);
    if (max === 0) {
      picture.append(s("text", { class: "plot-label", x: MARGIN.left + width / 2,
        y: floor / 2 + 8, "text-anchor": "middle" }, "nothing in this time"));
    }
    scales = { x, y, from, write: text, marker, width };
    say();
  }

  /** @param {Point[]} shown @param {Scale} x @param {Scale} y */
  function shapes(shown, x, y) {
    const sums = shown.map(() => 0);
    return series.flatMap((one, i) => {
      const edges = shown.map((point, n) => {
        const value = point.values[i];
        if (value === null) return null;
        const low = stacked ? sums[n] : 0;
        sums[n] = low + value;
        return { t: point.t, low, high: low + value };
      });
      if (stacked && edges.every((edge) => !edge || edge.high === edge.low)) return [];
      return runs(edges, step).flatMap((run) => (stacked || area
        ? [s("path", { class: `plot-area ${one.tone}`, d: areaPath(run, step, x, y) })]
        : [s("path", { class: `plot-line ${run.length === 1 ? "plot-lone" : ""} ${one.tone}`,
          d: linePath(run, step, x, y) })]));
    });
  }

  function fillTable() {
    if (!table.open) return;
    put(body, points.filter((point) => !isEmpty(point)).reverse().map((point) =>
      h("tr", {}, h("th", { scope: "row" }, momentOf(point.t, span)),
        point.values.map((value) => h("td", { class: "right" }, written(value))))));
  }
  table.addEventListener("toggle", fillTable);

  const observer = new ResizeObserver(paint);
  observer.observe(picture);

  return {
    element,
    draw(timeline, seconds) {
      step = timeline.step;
      span = seconds;
      points = timeline.points.map((point) => ({ t: point.t,
        values: series.map((one) => one.value(point, step) ?? null) }));
      if (chosen !== null && chosen >= points.length) chosen = null;
      paint();
      fillTable();
    },
    end() { observer.disconnect(); },
  };
}
