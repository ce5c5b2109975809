// Keeps the index page's figures and chart up to date. The server looks at the
// program's memory only when it is asked, so a page that nobody sees does not ask.
"use strict";

const PERIOD_MS = 1000;
const MINUTE_MS = 60 * 1000;
/** How far back the chart may reach, in minutes. */
const SPANS = [1, 2, 5];
// Without a point for so long, nothing is known of the time between.
const GAP_MS = 5000;
const HEIGHT = 180;
const MARGIN = { top: 8, right: 8, bottom: 22, left: 64 };
const LINES = ["in-use", "resident"];

const byId = (id) => document.getElementById(id);
const figure = byId("chart");
const plot = byId("plot");
const readout = byId("chart-at");

let points = [];
let span = SPANS[0];
/** Which point is read out: its position from the end, or nothing. */
let cursor = null;

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; Math.abs(count) >= 1000 && unit < units.length - 1; unit++) count /= 1024;
  const digits = unit === 0 || count >= 100 || Number.isInteger(count) ? 0 : 1;
  return `${count.toFixed(digits)} ${units[unit]}`;
}

function ago(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds === 0) return "now";
  return seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ${seconds % 60} s ago`;
}

/** Round steps, three to five of them. */
function scale(highest) {
  let step = 1024;
  while (highest / step > 4) step *= highest / step > 2.5 * 4 ? 4 : 2;
  return { step, top: step * Math.max(1, Math.ceil((highest * 1.02) / step)) };
}

/** The times that are written under the chart, in seconds ago. */
function ticks(width) {
  const count = span === 5 ? 5 : 4;
  const step = (span * 60) / count;
  const all = Array.from({ length: count }, (_, at) => step * (at + 1));
  return width < 420 ? all.filter((_, at) => at % 2 === 1) : all;
}

function draw() {
  const width = Math.max(plot.clientWidth, 200);
  const highest = Math.max(1024, ...points.flatMap(({ values }) => values.map((v) => v ?? 0)));
  const { step, top } = scale(highest);
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const x = (age) => right - (age / (span * MINUTE_MS)) * (right - MARGIN.left);
  const y = (value) => bottom - (value / top) * (bottom - MARGIN.top);

  const picture = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
  for (let value = 0; value <= top; value += step) {
    picture.append(
      svg("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 8, y: y(value), dy: "0.32em", "text-anchor": "end" }, bytes(value)),
    );
  }
  for (const seconds of ticks(width)) {
    const at = x(seconds * 1000);
    const anchor = seconds === span * 60 ? "start" : "middle";
    const text = seconds % 60 ? `−${seconds} s` : `−${seconds / 60} min`;
    picture.append(svg("text", { x: at, y: HEIGHT - 4, "text-anchor": anchor }, text));
  }
  picture.append(svg("text", { x: right, y: HEIGHT - 4, "text-anchor": "end" }, "now"));

  LINES.forEach((name, at) => {
    let path = "";
    let previous = null;
    for (const point of points) {
      const value = point.values[at];
      if (value === null || point.age > span * MINUTE_MS) continue;
      const joined = previous !== null && previous - point.age <= GAP_MS;
      path += `${joined ? "L" : "M"}${x(point.age).toFixed(1)} ${y(value).toFixed(1)}`;
      // A point without neighbours is seen as a dot, by the line's round end.
      if (!joined) path += "h0.01";
      previous = point.age;
    }
    picture.append(svg("path", { class: `line ${name}`, d: path }));
  });

  const point = cursor === null ? undefined : points[points.length - 1 - cursor];
  if (point) {
    const at = x(point.age);
    picture.append(svg("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: bottom }));
    LINES.forEach((name, index) => {
      const value = point.values[index];
      if (value !== null) picture.append(svg("circle", { class: name, cx: at, cy: y(value), r: 3 }));
    });
  }
  plot.replaceChildren(picture);
  describe(point);
}

/** The chart in words. */
function describe(point) {
  const say = (value) => (value === null ? "unknown" : bytes(value));
  readout.textContent = point
    ? `${ago(point.age)}: ${say(point.values[0])} in use, ${say(point.values[1])} resident`
    : "";
  const range = (at) => {
    const values = points.map(({ values }) => values[at]).filter((value) => value !== null);
    if (values.length === 0) return "unknown";
    return `${bytes(Math.min(...values))} to ${bytes(Math.max(...values))}, now ${bytes(values.at(-1))}`;
  };
  plot.setAttribute(
    "aria-label",
    `Memory over the last minutes. In use: ${range(0)}. Resident: ${range(1)}.`,
  );
}

async function update() {
  const response = await fetch("ui/now");
  if (!response.ok) return;
  const { figures, recent } = await response.json();
  for (const [id, [value, note]] of Object.entries(figures)) {
    for (const [element, text] of [[byId(id), value], [byId(`${id}-note`), note]]) {
      if (element && element.textContent !== text) element.textContent = text;
    }
  }
  points = recent.map(([age, ...values]) => ({ age, values }));
  span = SPANS.find((span) => points[0]?.age <= span * MINUTE_MS) ?? SPANS.at(-1);
  figure.hidden = false;
  draw();
}

async function run() {
  if (!document.hidden) {
    // The program may have ended: what was seen last stays.
    const reached = await update().then(() => true, () => false);
    document.body.classList.toggle("gone", !reached);
  }
  setTimeout(run, PERIOD_MS);
}

function pointAt(event) {
  const right = plot.clientWidth - MARGIN.right;
  const at = event.clientX - plot.getBoundingClientRect().left;
  const age = ((right - at) / (right - MARGIN.left)) * span * MINUTE_MS;
  const distance = ({ age: other }) => Math.abs(other - age);
  let nearest = 0;
  points.forEach((point, index) => {
    if (distance(point) < distance(points[nearest])) nearest = index;
  });
  return points.length - 1 - nearest;
}

function move(position) {
  cursor = position === null ? null : Math.min(Math.max(position, 0), points.length - 1);
  draw();
}

plot.addEventListener("pointermove", (event) => move(pointAt(event)));
plot.addEventListener("pointerleave", () => move(null));
plot.addEventListener("blur", () => {
  readout.setAttribute("aria-live", "off");
  move(null);
});
plot.addEventListener("keydown", (event) => {
  const from = cursor ?? 0;
  const to = { ArrowLeft: from + 1, ArrowRight: from - 1, Home: Infinity, End: 0, Escape: null }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  readout.setAttribute("aria-live", "polite");
  move(to);
});
addEventListener("resize", draw);

byId("command").textContent = `go tool pprof -http=: ${new URL("heap", location.href.split(/[?#]/)[0])}`;
run();
