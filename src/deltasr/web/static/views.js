// What the comparison shows, fetched from the server: the whole picture small, and the visible part.

import { covers, draw, visible } from "/static/drawing.js";
import { afterKey, isWhole, layer, previewQuery, shownPreview } from "/static/layers.js";
import { runOf, tell } from "/static/runs.js";
import { ask, bitmap } from "/static/server.js";
import { encoded, targetSize } from "/static/settings.js";
import { $, current, state } from "/static/state.js";

const MAX_VIEW = 3840 * 2160;
const BASE_SIDE = 900;

const fetching = {};

export async function wholeView(path, width, height, sourceWidth, sourceHeight, signal, fixed = "") {
  const shrink = Math.min(BASE_SIDE / width, BASE_SIDE / height, 1);
  const [w, h] = [Math.max(Math.round(width * shrink), 1), Math.max(Math.round(height * shrink), 1)];
  const image = await bitmap(`${path}?${fixed}left=0&top=0&right=${width}&bottom=${height}&width=${w}&height=${h}`, signal);
  return { image, box: { left: 0, top: 0, right: sourceWidth, bottom: sourceHeight }, soft: true };
}

// The visible part, in whole pixels of a grid of `factor` pixels per source pixel, not finer than the screen.
async function detailView(path, own, info, signal, fixed = "") {
  const [width, height] = targetSize(info);
  const [fx, fy] = [width / info.width, height / info.height];
  const part = visible();
  const snapped = {
    left: Math.floor(part.left * fx), top: Math.floor(part.top * fy),
    right: Math.min(Math.ceil(part.right * fx), width), bottom: Math.min(Math.ceil(part.bottom * fy), height),
  };
  let [w, h] = [snapped.right - snapped.left, snapped.bottom - snapped.top];
  const shrink = Math.min(state.view.zoom / fx, 1, Math.sqrt(MAX_VIEW / (w * h)) * 0.99);
  if (shrink < 1) [w, h] = [Math.max(Math.round(w * shrink), 1), Math.max(Math.round(h * shrink), 1)];
  const box = { left: snapped.left / fx, top: snapped.top / fy, right: snapped.right / fx, bottom: snapped.bottom / fy };
  const asked = own ? snapped : box;
  const text = `left=${asked.left}&top=${asked.top}&right=${asked.right}&bottom=${asked.bottom}&width=${w}&height=${h}`;
  return { image: await bitmap(`${path}?${fixed}${text}`, signal), box };
}

function previewBox(info) {
  const most = state.settings.limits.preview_pixels;
  const part = visible();
  const whole = {
    left: Math.floor(part.left), top: Math.floor(part.top), right: Math.ceil(part.right), bottom: Math.ceil(part.bottom),
  };
  const [w, h] = [whole.right - whole.left, whole.bottom - whole.top];
  if (w * h <= most) return whole;
  const shrink = Math.sqrt(most / (w * h));
  const width = Math.min(Math.max(Math.floor(w * shrink), 1), most);
  const height = Math.min(Math.max(Math.floor(h * shrink), 1), Math.floor(most / width));
  const [left, top] = [whole.left + Math.floor((w - width) / 2), whole.top + Math.floor((h - height) / 2)];
  return { left, top, right: left + width, bottom: top + height };
}

let refreshing = null;
export function refresh() {
  clearTimeout(refreshing);
  refreshing = setTimeout(fetchViews, 140);
}

function once(name, work) {
  fetching[name]?.abort();
  const control = new AbortController();
  fetching[name] = control;
  return work(control.signal).catch((failure) => {
    if (failure.name !== "AbortError" && failure.status !== 499) tell(failure.message, true);
  }).finally(() => {
    if (fetching[name] === control) delete fetching[name];
    $("busy").hidden = !fetching.preview;
    draw();
  });
}

function fetchViews() {
  const picture = current();
  if (!picture?.info) return;
  const { info } = picture;
  const run = runOf(state.selected);
  once("before", async (signal) => {
    picture.before ??= {};
    picture.before.detail = await detailView(`/page/pictures/${info.id}/before`, false, info, signal);
  });
  const shown = layer();
  if (isWhole(run)) {
    fetching.preview?.abort();
    once("after", async (signal) => {
      const { width, height } = run.result;
      const [key, path, fixed] = [afterKey(run), `/page/jobs/${run.id}/after`, `layer=${shown}&`];
      const detail = await detailView(path, true, info, signal, fixed);
      if (picture.after?.key === key) picture.after.detail = detail;
      else picture.after = { key, detail, base: await wholeView(path, width, height, info.width, info.height, signal, fixed) };
    });
    return;
  }
  const wanted = previewQuery();
  const box = previewBox(info);
  if (covers(shownPreview(picture)?.box, box)) return;
  $("busy").hidden = false;
  once("preview", async (signal) => {
    const place = `left=${box.left}&top=${box.top}&right=${box.right}&bottom=${box.bottom}`;
    const answer = await ask(`/page/pictures/${info.id}/preview?${place}&layer=${shown}&${encoded(wanted)}`, { signal });
    const levels = answer.headers.get("Deltasr-Error-Levels")?.split(", ");
    picture.preview = { image: await createImageBitmap(await answer.blob()), box, levels, key: `${wanted} ${shown}` };
  });
}
