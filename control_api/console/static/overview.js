// The plot of the overview: each look of the server adds a point. Drawn by uPlot.
"use strict";

const KEPT = 300; // seconds
const SHOWN = 60; // at least: a single point is no picture
const data = [[], [], [], []];
const box = document.getElementById("plot");
let plot = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

function draw() {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const line = (label, name) => ({ label, stroke: colour(name), width: 2, points: { show: false } });
  plot?.destroy();
  plot = new uPlot({
    width: box.clientWidth, height: 200, legend: { show: true, live: false }, cursor: { show: false },
    scales: { x: { time: true, range: (_, first, last) => [last - Math.max(last - first, SHOWN), last] }, y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
    axes: [{ ...axis, space: 90, values: (_, times) => times.map(clock) }, { ...axis, size: 60 }],
    series: [{}, line("accepted a second", "--link"), line("delivered", "--good"), line("failed", "--bad")],
  }, data, box);
}

function add() {
  const figures = document.querySelector("#figures [data-accepted]");
  if (!figures) return;
  [Date.now() / 1000, +figures.dataset.accepted, +figures.dataset.delivered, +figures.dataset.failed].forEach((value, index) => {
    data[index].push(value);
    if (data[index].length > KEPT) data[index].shift();
  });
  if (plot) plot.setData(data); else draw();
}

add();
document.body.addEventListener("htmx:sseMessage", (event) => { if (event.detail.type === "figures") add(); });
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
// A phone has no room for the diagram: then the table is what there is to see.
if (matchMedia("(max-width: 44rem)").matches) document.getElementById("as-table").open = true;
document.getElementById("theme")?.addEventListener("click", () => setTimeout(draw));
