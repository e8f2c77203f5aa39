// Moving over the comparison: by pointers, keys and buttons.

import { canvas, draw } from "/static/drawing.js";
import { targetSize } from "/static/settings.js";
import { $, current, state } from "/static/state.js";
import { refresh } from "/static/views.js";

export function resize() {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = $("stage").getBoundingClientRect();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  draw();
}

export function fit() {
  const info = current()?.info;
  if (!info || !canvas.width) return;
  state.view = {
    zoom: Math.min(canvas.width / info.width, canvas.height / info.height, 2 * targetSize(info)[0] / info.width),
    x: info.width / 2, y: info.height / 2,
  };
  moved();
}

function zoomTo(zoom, at = [canvas.width / 2, canvas.height / 2]) {
  const info = current()?.info;
  if (!info) return;
  const least = Math.min(canvas.width / info.width, canvas.height / info.height, 1) / 2;
  const next = Math.min(Math.max(zoom, least), 16 * targetSize(info)[0] / info.width);
  const [dx, dy] = [at[0] - canvas.width / 2, at[1] - canvas.height / 2];
  state.view.x += dx / state.view.zoom - dx / next;
  state.view.y += dy / state.view.zoom - dy / next;
  state.view.zoom = next;
  moved();
}

function moved() {
  const { info } = current();
  state.view.x = Math.min(Math.max(state.view.x, 0), info.width);
  state.view.y = Math.min(Math.max(state.view.y, 0), info.height);
  draw();
  refresh();
}

const pointers = new Map();
const inCanvas = (event) => {
  const { left, top, width } = canvas.getBoundingClientRect();
  const ratio = canvas.width / width;
  return [(event.clientX - left) * ratio, (event.clientY - top) * ratio];
};

function setSplit(value) {
  state.split = Math.min(Math.max(value, 0), 1);
  draw();
}

$("stage").addEventListener("pointerdown", (event) => {
  if (event.button) return;
  $("stage").setPointerCapture(event.pointerId);
  const divider = event.target.closest("#divider");
  pointers.set(event.pointerId, { at: inCanvas(event), divider: Boolean(divider) });
  $("stage").classList.toggle("panning", !divider);
});
$("stage").addEventListener("pointermove", (event) => {
  const held = pointers.get(event.pointerId);
  if (!held || !current()) return;
  const [was, now] = [held.at, inCanvas(event)];
  held.at = now;
  if (held.divider) return setSplit(now[0] / canvas.width);
  const other = [...pointers.entries()].find(([id, one]) => id !== event.pointerId && !one.divider)?.[1];
  if (other) {
    const apart = (point) => Math.hypot(point[0] - other.at[0], point[1] - other.at[1]);
    const middle = [(now[0] + other.at[0]) / 2, (now[1] + other.at[1]) / 2];
    if (apart(was) > 0) zoomTo((state.view.zoom * apart(now)) / apart(was), middle);
  }
  const part = other ? 0.5 : 1;
  state.view.x -= (part * (now[0] - was[0])) / state.view.zoom;
  state.view.y -= (part * (now[1] - was[1])) / state.view.zoom;
  moved();
});
for (const name of ["pointerup", "pointercancel"]) {
  $("stage").addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    $("stage").classList.remove("panning");
  });
}
$("stage").addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomTo(state.view.zoom * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), inCanvas(event));
}, { passive: false });
$("stage").addEventListener("keydown", (event) => {
  if (event.target !== $("stage") || event.ctrlKey || event.metaKey || event.altKey || !current()) return;
  const step = 60 / state.view.zoom;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (moves[event.key]) {
    state.view.x += moves[event.key][0];
    state.view.y += moves[event.key][1];
    moved();
  } else if (["+", "="].includes(event.key)) zoomTo(state.view.zoom * 1.25);
  else if (event.key === "-") zoomTo(state.view.zoom / 1.25);
  else if (event.key === "0") fit();
  else if (event.key === "1") truePixels();
  else return;
  event.preventDefault();
});
$("divider").addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 };
  if (steps[event.key]) setSplit(state.split + steps[event.key]);
  else if (event.key === "Home") setSplit(0);
  else if (event.key === "End") setSplit(1);
  else return;
  event.preventDefault();
});

function truePixels() {
  const info = current()?.info;
  if (info) zoomTo(targetSize(info)[0] / info.width);
}

$("zoom-in").addEventListener("click", () => zoomTo(state.view.zoom * 1.5));
$("zoom-out").addEventListener("click", () => zoomTo(state.view.zoom / 1.5));
$("fit").addEventListener("click", fit);
$("true-pixels").addEventListener("click", truePixels);
new ResizeObserver(resize).observe($("stage"));
