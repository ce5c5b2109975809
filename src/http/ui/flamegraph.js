// Draws the stacks that the page names with d3-flame-graph (viewer.js), and adds
// what that lacks: keys, roles for screen readers, and colours by crate that follow
// the page's theme: the standard library is grey.
"use strict";

const { flamegraph, select } = heapprof;
const COLOURS = 8;
const byId = (id) => document.getElementById(id);
const graph = byId("graph");
const details = byId("details");
const found = byId("found");
const search = byId("search");
const reset = byId("reset");
const isBytes = graph.dataset.unit === "bytes";

function amount(count) {
  if (!isBytes) return `${count.toLocaleString("en")} objects`;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; count >= 999.5 && unit < units.length - 1; unit++) count /= 1024;
  return `${unit === 0 ? count : count.toPrecision(3)} ${units[unit]}`;
}

/** Stacks put together from the root. The viewer's names: n, v (value) and c (children). */
function tree({ names, own, stacks }) {
  const node = (name, own) => ({ n: name, own, v: 0, children: new Map() });
  const root = node("all", false);
  for (const [stack, value] of stacks) {
    let at = root;
    at.v += value;
    for (const name of stack) {
      if (!at.children.has(name)) at.children.set(name, node(names[name], own[name]));
      at = at.children.get(name);
      at.v += value;
    }
  }
  const all = [root];
  for (const node of all) {
    node.c = [...node.children.values()].sort((a, b) => b.v - a.v);
    delete node.children;
    all.push(...node.c);
  }
  return root;
}

/** The crate of a name such as `<alloc::vec::Vec<T> as core::fmt::Debug>::fmt`. */
const crate = (name) => name.match(/^[<&*[(]*(?:mut |dyn )?(\w+)::/)?.[1] ?? "";

function colour(node) {
  if (node.highlight) return "var(--match)";
  if (!node.data.own) return "var(--frame-std)";
  const of = crate(node.data.n);
  if (of === "") return "var(--frame-plain)";
  let hash = 7;
  for (const letter of of) hash = (hash * 31 + letter.codePointAt(0)) % 8191;
  return `var(--frame-${hash % COLOURS})`;
}

function show(data) {
  const share = (node) => `${((100 * node.data.v) / data.v).toFixed(1)} %`;
  const label = (node) => `${node.data.n}: ${amount(node.data.v)}, ${share(node)}`;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

  let zoomed = null;
  let current = null;
  let term = "";

  const chart = flamegraph()
    .width(graph.clientWidth)
    .cellHeight(20)
    .minFrameSize(1)
    .inverted(true)
    .transitionDuration(calm ? 0 : 150)
    .setLabelHandler(label)
    .setColorMapper(colour)
    .setDetailsHandler((text) => {
      details.textContent = text ?? label(zoomed ?? current);
    })
    .setSearchMatch((node, term) => node.data.n.toLowerCase().includes(term.toLowerCase()))
    .setSearchHandler((matches, sum) => {
      const share = ((100 * sum) / data.v).toFixed(1);
      const frames = matches.length === 1 ? "1 frame" : `${matches.length} frames`;
      found.textContent = `${frames}, ${amount(sum)}, ${share} %`;
    })
    .onClick((node) => {
      zoomed = node.parent ? node : null;
      reset.disabled = zoomed === null;
      current = node;
      details.textContent = label(node);
      dress();
    });
  select(graph).datum(data).call(chart);

  /** Every frame that is drawn. */
  const frames = () => select(graph).selectAll("g.frame");
  const elementOf = (node) => frames().filter((other) => other === node).node();
  const isDrawn = (node) => elementOf(node) !== null;

  /** Roles, and one frame that the Tab key comes to. */
  function dress() {
    select(graph).select("svg").attr("role", "tree").attr("aria-label", "Flame graph");
    frames()
      .attr("role", "treeitem")
      .attr("aria-level", (node) => node.depth + 1)
      .attr("aria-label", label)
      .attr("tabindex", (node) => (node === current ? 0 : -1));
  }

  function focus(node) {
    if (!node || !isDrawn(node)) return;
    current = node;
    dress();
    elementOf(node).focus();
    details.textContent = label(node);
  }

  /** The next frame of the same depth, to the left or right. */
  function beside(node, step) {
    const row = frames().data().filter(({ depth, value }) => depth === node.depth && value > 0);
    row.sort((a, b) => a.x0 - b.x0);
    return row[row.indexOf(node) + step];
  }

  function resetZoom() {
    chart.resetZoom();
    focus(current);
  }

  graph.addEventListener("keydown", (event) => {
    const node = select(event.target).datum();
    if (!node || event.target === graph) return;
    const go = {
      ArrowUp: () => focus(node.parent),
      ArrowDown: () => focus((node.children ?? []).find((child) => child.value > 0 && isDrawn(child))),
      ArrowLeft: () => focus(beside(node, -1)),
      ArrowRight: () => focus(beside(node, 1)),
      Home: () => focus(frames().data().find(({ parent }) => !parent)),
      Enter: () => zoomTo(node),
      " ": () => zoomTo(node),
      Escape: resetZoom,
    }[event.key];
    if (!go) return;
    event.preventDefault();
    go();
  });

  function zoomTo(node) {
    chart.zoomTo(node);
    focus(node);
  }

  search.addEventListener("input", () => {
    term = search.value.trim();
    if (term) {
      chart.search(term);
    } else {
      chart.clear();
      found.textContent = "";
    }
    dress();
  });
  reset.addEventListener("click", resetZoom);
  addEventListener("resize", () => {
    chart.width(graph.clientWidth).update();
    dress();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === search) return;
    event.preventDefault();
    search.focus();
  });

  current = frames().data().find(({ parent }) => !parent);
  details.textContent = label(current);
  search.disabled = false;
  dress();
}

async function load() {
  const response = await fetch(graph.dataset.stacks);
  if (!response.ok) throw new Error(await response.text());
  const data = tree(await response.json());
  if (data.v === 0) {
    details.textContent = "Nothing was sampled.";
  } else {
    show(data);
  }
}

document.querySelector("form.tools").addEventListener("submit", (event) => event.preventDefault());
load().catch((error) => {
  details.textContent = `The stacks could not be loaded: ${error.message}`;
});
