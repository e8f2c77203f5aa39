// The comparison as it is drawn: bicubic interpolation on the left, the result on the right.

import { afterKey, isWhole, showLayer, shownPreview } from "/static/layers.js";
import { runOf } from "/static/runs.js";
import { targetSize } from "/static/settings.js";
import { $, current, state } from "/static/state.js";

export const canvas = $("canvas");
const context = canvas.getContext("2d");

// The part of the source that the stage shows.
export function visible() {
  const { info } = current();
  const { zoom, x, y } = state.view;
  const [w, h] = [canvas.width / zoom / 2, canvas.height / zoom / 2];
  return {
    left: Math.max(x - w, 0), top: Math.max(y - h, 0),
    right: Math.min(x + w, info.width), bottom: Math.min(y + h, info.height),
  };
}

export function draw() {
  const picture = current();
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!picture?.info) return;
  const { info } = picture;
  const run = runOf(state.selected);
  const cut = Math.round(state.split * canvas.width);
  $("divider").style.left = `${100 * state.split}%`;
  $("divider").setAttribute("aria-valuenow", Math.round(100 * state.split));
  $("divider").setAttribute("aria-valuetext", `${Math.round(100 * state.split)} % bicubic`);
  const share = Math.round((100 * state.view.zoom * info.width) / targetSize(info)[0]);
  $("zoom").value = `${share} %`;
  if (info.alpha) checkerboard(info);
  const before = [picture.before?.base, picture.before?.detail];
  const after = isWhole(run) && picture.after?.key === afterKey(run) ? picture.after : null;
  const preview = shownPreview(picture);
  side(0, cut, before);
  side(cut, canvas.width, after ? [after.base, after.detail] : [...before, preview], after ? null : preview);
  showLayer();
}

function place({ left, top, right, bottom }) {
  const { zoom, x, y } = state.view;
  const at = (value, middle, size) => Math.round((value - middle) * zoom + size / 2);
  const [x0, y0] = [at(left, x, canvas.width), at(top, y, canvas.height)];
  return [x0, y0, at(right, x, canvas.width) - x0, at(bottom, y, canvas.height) - y0];
}

function side(from, to, layers, outlined = null) {
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, canvas.height);
  context.clip();
  for (const layer of layers.filter(Boolean)) {
    const [x, y, width, height] = place(layer.box);
    const magnified = width / layer.image.width;
    context.imageSmoothingEnabled = layer.soft || (magnified < 2 && magnified !== 1);
    context.imageSmoothingQuality = "high";
    context.drawImage(layer.image, x, y, width, height);
  }
  if (outlined && !covers(outlined.box, visible())) {
    context.setLineDash([6, 5]);
    context.strokeStyle = "#fff";
    context.strokeRect(...place(outlined.box));
    context.lineDashOffset = 6;
    context.strokeStyle = "#000";
    context.strokeRect(...place(outlined.box));
  }
  context.restore();
}

function checkerboard(info) {
  const [x, y, width, height] = place({ left: 0, top: 0, right: info.width, bottom: info.height });
  const cell = 12 * (window.devicePixelRatio || 1);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  const [left, top] = [Math.max(x, 0), Math.max(y, 0)];
  for (let row = top; row < Math.min(y + height, canvas.height); row += cell) {
    for (let column = left; column < Math.min(x + width, canvas.width); column += cell) {
      context.fillStyle = (Math.round((row - top) / cell) + Math.round((column - left) / cell)) % 2 ? "#c9cdcc" : "#f4f5f5";
      context.fillRect(column, row, cell, cell);
    }
  }
  context.restore();
}

export const covers = (box, part) => box && part && box.left <= part.left + 1 && box.top <= part.top + 1
  && box.right >= part.right - 1 && box.bottom >= part.bottom - 1;
