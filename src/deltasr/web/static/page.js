// The page: pictures, their comparison, the settings, and the jobs. All computing happens in the server.

import { Failure, ask, bitmap, json } from "/static/server.js";

const $ = (id) => document.getElementById(id);
const MAX_VIEW = 3840 * 2160;
const BASE_SIDE = 900;
const POLL = 400;
const KEEP_ALIVE = 60_000;
const KEPT_RUNS = 3;

const state = {
  settings: null,
  pictures: new Map(), // id -> {info, before, after, preview, ...}
  order: [],
  selected: null,
  runs: new Map(), // id -> what the server says of a job
  waiting: new Map(), // picture -> query, until the queue has a place
  told: null, // {about, sentence, bad}: what was said of a picture with some settings, until either changes
  split: 0.5,
  view: { zoom: 1, x: 0, y: 0 }, // device pixels per source pixel; the source point in the middle of the stage
};

// ---- settings ----

const model = () => state.settings.models.find((one) => one.name === $("model").value);

function query() {
  const parts = [["model", $("model").value]];
  if (model().fidelity) parts.push(["fidelity", Number($("fidelity").value)]);
  if (model().restoration && !$("auto").checked) parts.push(["restoration", Number($("restoration").value)]);
  if ($("size").value !== "own" && Number($("size-value").value) > 0) {
    parts.push([$("size").value, Number($("size-value").value)]);
  }
  if ($("format").value) parts.push(["format", $("format").value]);
  if (!$("quality-field").hidden && $("quality").value) parts.push(["quality", Number($("quality").value)]);
  if ($("strip").checked) parts.push(["strip", true]);
  if ($("map").value) parts.push(["map", $("map").value]);
  return parts.map(([name, value]) => `${name}=${value}`).join("&");
}

const encoded = (plain) => new URLSearchParams(plain.split("&").map((part) => {
  const cut = part.indexOf("=");
  return [part.slice(0, cut), part.slice(cut + 1)];
})).toString();

function targetSize({ width, height }) {
  const value = Number($("size-value").value);
  const kind = $("size").value;
  if (kind !== "own" && value > 0) {
    if (kind === "scale") return [Math.max(Math.round(width * value), 1), Math.max(Math.round(height * value), 1)];
    const by = { max_side: Math.max(width, height), width, height }[kind];
    return [Math.max(Math.round((width * value) / by), 1), Math.max(Math.round((height * value) / by), 1)];
  }
  return [width * model().scale, height * model().scale];
}

const PRESETS = {
  balanced: () => ({ fidelity: model().default_fidelity, restoration: null }),
  natural: () => ({ fidelity: 0.25, restoration: null }),
  faithful: () => ({ fidelity: 1, restoration: null }),
  repair: () => ({ fidelity: model().default_fidelity, restoration: 0.6 }),
};

function applyPreset(name) {
  const preset = PRESETS[name]();
  if (preset.fidelity !== null) $("fidelity").value = preset.fidelity;
  $("auto").checked = preset.restoration === null;
  if (preset.restoration !== null) $("restoration").value = preset.restoration;
}

function showPreset() {
  for (const radio of document.getElementsByName("preset")) {
    const preset = PRESETS[radio.value]();
    const same = preset.restoration === null
      ? $("auto").checked
      : !$("auto").checked && Number($("restoration").value) === preset.restoration;
    radio.checked = same && (preset.fidelity === null || Number($("fidelity").value) === preset.fidelity);
    radio.disabled = radio.value === "repair" ? !model().restoration : !model().fidelity;
  }
}

function showSettings() {
  const info = current()?.info;
  const { fidelity, restoration, error_map: mapped, description } = model();
  const format = $("format").value || info?.format;
  $("fidelity").disabled = !fidelity;
  $("fidelity-field").classList.toggle("off", !fidelity);
  $("fidelity-value").value = fidelity ? Number($("fidelity").value).toFixed(2) : "none";
  $("restoration").disabled = $("auto").disabled = !restoration;
  $("restoration-field").classList.toggle("off", !restoration);
  const automatic = $("auto").checked;
  if (automatic && info) $("restoration").value = info.estimate.strength;
  $("restoration-value").value = !restoration ? "none"
    : !automatic ? Number($("restoration").value).toFixed(2)
    : info ? `auto: ${info.estimate.strength.toFixed(2)}` : "auto";
  $("restoration").setAttribute("aria-valuetext", $("restoration-value").value);
  $("estimate").textContent = info && restoration ? `(${info.estimate.why})` : "";
  $("size-value").hidden = $("size").value === "own";
  $("quality-field").hidden = !["jpeg", "webp"].includes(format);
  $("model-help").textContent = description;
  for (const id of ["layer", "map"]) {
    $(id).querySelector("[value=error]").disabled = !mapped;
    if (!mapped && $(id).value === "error") $(id).value = "";
  }
  const [width, height] = info ? targetSize(info) : [];
  $("result-size").textContent = info ? `${info.width} × ${info.height} becomes ${width} × ${height} pixels` : "";
  showPreset();
}

// ---- the layers over the result ----

const LAYERS = {
  "": { name: "deltasr" },
  error: {
    name: "Error map",
    text: "The brighter, the more the result may be wrong: with 90 % probability the true colour is within ± this many of 255 levels.",
  },
  determined: {
    name: "Determined",
    text: "What the picture itself determines. All that the result has besides was added by the model.",
  },
  added: {
    name: "Added",
    text: "What the model added, at half its strength: mid grey is nothing, lighter and darker is what it made up or repaired.",
  },
};

const layer = () => $("layer").value;
const isWhole = (run) => run?.state === "done" && (!layer() || run.result.layers.includes(layer()));

function showLayer() {
  const picture = current();
  const run = picture?.info && runOf(state.selected);
  const { name, text } = LAYERS[layer()];
  $("right-tag").textContent = isWhole(run) ? name : `${name}, preview`;
  $("stage").setAttribute("aria-label", `Comparison of bicubic interpolation, left, and ${$("layer").selectedOptions[0].text}, right`);
  $("legend").hidden = !layer();
  $("scale").hidden = layer() !== "error";
  const levels = layer() !== "error" ? null : isWhole(run) ? run.result.levels : shownPreview(picture)?.levels;
  const where = isWhole(run) ? "In the whole picture" : "In the part that was computed";
  const sentence = levels ? ` ${where}, half of the pixels are within ± ${levels[0]} levels and nine in ten within ± ${levels[1]}.` : "";
  if ($("legend-text").textContent !== (text ?? "") + sentence) $("legend-text").textContent = (text ?? "") + sentence;
}

function settingsChanged() {
  showSettings();
  showAll();
  draw();
  refresh();
}

// ---- pictures ----

const current = () => state.pictures.get(state.selected);

function runOf(id, wanted = query()) {
  return [...state.runs.values()].reverse().find((run) =>
    run.picture === id && run.query === wanted && run.state !== "cancelled");
}

const isActive = (run) => run && ["waiting", "running"].includes(run.state);

async function addFiles(files) {
  for (const file of files) {
    const key = `new-${crypto.getRandomValues(new Uint32Array(2)).join("")}`;
    state.pictures.set(key, { name: file.name || "pasted picture", uploading: true });
    state.order.push(key);
    showAll();
    try {
      const most = state.settings.limits.upload_bytes;
      if (file.size > most) throw new Failure(413, `${megabytes(file.size)} is more than the ${megabytes(most)} that this server takes.`);
      const info = await json("/page/pictures", {
        method: "POST", body: file, headers: { "X-File-Name": encodeURIComponent(file.name || "pasted.png") },
      });
      replaceKey(key, info.id, { info, name: info.name });
      if (!current()?.info) select(info.id);
    } catch (failure) {
      state.pictures.set(key, { name: file.name || "pasted picture", failure: failure.message });
    }
    showAll();
  }
}

function replaceKey(old, id, picture) {
  state.pictures.delete(old);
  state.pictures.set(id, picture);
  state.order[state.order.indexOf(old)] = id;
  thumbnail(picture);
}

async function thumbnail(picture) {
  const { id, width, height } = picture.info;
  picture.before = { base: await wholeView(`/page/pictures/${id}/before`, width, height, width, height, null) };
  showAll();
  draw();
}

function select(id) {
  if (state.selected === id) return;
  const first = state.selected === null;
  state.selected = id;
  $("empty").hidden = true;
  $("viewer").hidden = false;
  showSettings();
  showAll();
  resize();
  fit();
  if (first) $("stage").focus({ preventScroll: true });
}

async function remove(id) {
  const { info } = state.pictures.get(id);
  state.pictures.delete(id);
  state.waiting.delete(id);
  state.order = state.order.filter((one) => one !== id);
  for (const run of [...state.runs.values()]) if (run.picture === id) state.runs.delete(run.id);
  if (state.selected === id) {
    state.selected = null;
    const next = state.order.find((one) => state.pictures.get(one).info);
    $("viewer").hidden = !next;
    $("empty").hidden = Boolean(next);
    if (next) select(next);
  }
  showSettings();
  showAll();
  if (info) await ask(`/page/pictures/${id}`, { method: "DELETE" }).catch(() => {});
}

const megabytes = (bytes) => bytes < 1e6 ? `${Math.max(Math.round(bytes / 1e3), 1)} kB` : `${Number((bytes / 1e6).toFixed(1))} MB`;

function wordsOf(id) {
  const picture = state.pictures.get(id);
  if (picture.failure) return picture.failure;
  if (picture.uploading) return "uploading …";
  const run = runOf(id);
  if (state.waiting.has(id)) return "waits for a place in the queue";
  if (run?.state === "waiting") return run.position > 1 ? `waiting, number ${run.position} in the queue` : "next in the queue";
  if (run?.state === "running") return `${Math.floor(100 * run.share)} %`;
  if (run?.state === "failed") return run.error;
  const { width, height, bits, alpha, format } = picture.info;
  if (run?.state === "done") return `done: ${run.result.width} × ${run.result.height}, ${megabytes(run.result.bytes)}`;
  return `${width} × ${height}, ${format.toUpperCase()}, ${bits}-bit${alpha ? ", alpha" : ""}`;
}

function showAll() {
  showPictures();
  showActions();
}

function showPictures() {
  const list = $("pictures");
  const old = new Map([...list.children].map((item) => [item.dataset.id, item]));
  list.replaceChildren(...state.order.map((id) => {
    const item = old.get(id) ?? newItem(id);
    const picture = state.pictures.get(id);
    const run = runOf(id);
    item.classList.toggle("selected", id === state.selected);
    item.classList.toggle("failed", Boolean(picture.failure));
    item.querySelector(".pick").setAttribute("aria-pressed", id === state.selected);
    item.querySelector("strong").textContent = picture.name;
    item.querySelector("small").textContent = wordsOf(id);
    item.querySelector(".bar").style.width = run?.state === "running" ? `${100 * run.share}%` : "0";
    item.querySelector(".thumb").hidden = Boolean(picture.failure);
    const image = picture.before?.base?.image;
    if (image && !item.drawn) {
      const canvas = item.querySelector(".thumb");
      const side = Math.min(image.width, image.height);
      canvas.getContext("2d").drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 112, 112);
      item.drawn = true;
    }
    return item;
  }));
}

function newItem(id) {
  const item = document.createElement("li");
  item.dataset.id = id;
  item.innerHTML = `<canvas class="thumb" width="112" height="112" aria-hidden="true"></canvas>
    <button type="button" class="pick"><strong></strong><small></small></button>
    <button type="button" class="remove">×</button><span class="bar"></span>`;
  const { name } = state.pictures.get(id);
  item.querySelector(".remove").setAttribute("aria-label", `Remove ${name}`);
  item.querySelector(".remove").addEventListener("click", () => remove(id));
  item.querySelector(".pick").addEventListener("click", () => state.pictures.get(id).info && select(id));
  return item;
}

// ---- jobs ----

async function start(id, wanted) {
  state.waiting.set(id, wanted);
  showAll();
  pump();
}

let pumping = false;
async function pump() {
  if (pumping) return;
  pumping = true;
  while (state.waiting.size) {
    const [id, wanted] = state.waiting.entries().next().value;
    try {
      const run = await json(`/page/jobs?picture=${id}&${encoded(wanted)}`, { method: "POST" });
      if (state.waiting.get(id) === wanted) state.waiting.delete(id);
      state.runs.set(run.id, run);
      forgetOldRuns(id);
    } catch (failure) {
      if (failure.status === 429) {
        await new Promise((done) => setTimeout(done, 1000 * Math.min(failure.retry, 5)));
      } else {
        state.waiting.delete(id);
        const key = `refused-${id}-${wanted}`;
        state.runs.set(key, { id: key, picture: id, query: wanted, state: "failed", error: failure.message });
      }
    }
    showAll();
    poll();
  }
  pumping = false;
}

function forgetOldRuns(id) {
  const runs = [...state.runs.values()].filter((run) => run.picture === id && !isActive(run));
  for (const run of runs.slice(0, Math.max(runs.length - KEPT_RUNS, 0))) removeRun(run);
}

function removeRun(run) {
  state.runs.delete(run.id);
  if (!run.id.startsWith("refused")) ask(`/page/jobs/${run.id}`, { method: "DELETE" }).catch(() => {});
}

let polling = null;
function poll(delay = 0) {
  clearTimeout(polling);
  polling = setTimeout(look, delay);
}

async function look() {
  try {
    const { jobs } = await json("/page/session");
    const known = new Map(jobs.map((run) => [run.id, run]));
    let finished = false;
    for (const [id, run] of state.runs) {
      const now = known.get(id);
      if (!now) continue;
      finished ||= isActive(run) && !isActive(now);
      state.runs.set(id, now);
    }
    showAll();
    if (finished) { draw(); refresh(); }
  } catch (failure) {
    if (failure.status === 403) return tell(failure.message, true);
    tell(failure.message, true);
  }
  poll([...state.runs.values()].some(isActive) ? POLL : KEEP_ALIVE);
}

const subject = () => `${state.selected} ${query()}`;

function tell(sentence, bad = false) {
  state.told = { about: subject(), sentence, bad };
  say(sentence, bad);
}

function say(sentence, bad = false) {
  if ($("status").textContent !== sentence) $("status").textContent = sentence;
  $("status").classList.toggle("bad", bad);
}

function showActions() {
  const picture = current();
  const run = picture?.info && runOf(state.selected);
  const active = isActive(run) || state.waiting.has(state.selected);
  const done = run?.state === "done";
  $("go").hidden = active || done;
  $("go").disabled = !picture?.info;
  $("cancel").hidden = !active;
  $("progress").hidden = !active;
  $("progress").value = run?.share ?? 0;
  $("download").hidden = !done;
  if (done) {
    $("download").href = `/page/jobs/${run.id}/file`;
    $("download").download = run.result.name;
    $("download").textContent = run.result.name.endsWith(".zip") ? "Download (zip)" : "Download";
    say(`Done in ${run.result.seconds} s: ${run.result.width} × ${run.result.height} pixels, ${megabytes(run.result.bytes)}`);
  } else if (active) {
    say(wordsOf(state.selected) === "0 %" ? "computing …" : wordsOf(state.selected));
  } else {
    const told = state.told?.about === subject() ? state.told : { sentence: "", bad: false };
    say(run?.state === "failed" ? run.error : told.sentence, run?.state === "failed" || told.bad);
  }
  const notes = done ? run.result.notes : picture?.info?.notes ?? [];
  $("notes").replaceChildren(...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
  showActionsOfAll();
}

function showActionsOfAll() {
  const ids = state.order.filter((id) => state.pictures.get(id).info);
  const finished = ids.map((id) => runOf(id)).filter((run) => run?.state === "done");
  const left = ids.filter((id) => !runOf(id) && !state.waiting.has(id));
  $("all").hidden = ids.length < 2;
  $("go-all").hidden = !left.length;
  $("go-all").textContent = left.length === ids.length ? `Upscale all ${ids.length}` : left.length === 1 ? "Upscale the other one" : `Upscale the other ${left.length}`;
  $("download-all").hidden = finished.length < 2;
  $("download-all").textContent = `Download ${finished.length} results (zip)`;
  $("download-all").href = `/page/results.zip?${finished.map((run) => `job=${run.id}`).join("&")}`;
}

// ---- the comparison ----

const canvas = $("canvas");
const context = canvas.getContext("2d");
const fetching = {};

function resize() {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = $("stage").getBoundingClientRect();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  draw();
}

function fit() {
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

// The part of the source that the stage shows.
function visible() {
  const { info } = current();
  const { zoom, x, y } = state.view;
  const [w, h] = [canvas.width / zoom / 2, canvas.height / zoom / 2];
  return {
    left: Math.max(x - w, 0), top: Math.max(y - h, 0),
    right: Math.min(x + w, info.width), bottom: Math.min(y + h, info.height),
  };
}

function draw() {
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

const covers = (box, part) => box && part && box.left <= part.left + 1 && box.top <= part.top + 1
  && box.right >= part.right - 1 && box.bottom >= part.bottom - 1;

// ---- what is shown, fetched ----

async function wholeView(path, width, height, sourceWidth, sourceHeight, signal, fixed = "") {
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

const afterKey = (run) => `${run.id} ${layer()}`;
const shownPreview = (picture) => picture?.preview?.key === `${previewQuery()} ${layer()}` ? picture.preview : null;
const previewQuery = () => query().split("&").filter((part) => /^(model|fidelity|restoration)=/.test(part)).join("&");

let refreshing = null;
function refresh() {
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

// ---- pointers and keys ----

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

// ---- forms, files, paste ----

for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => {
  addFiles([...$("files").files]);
  $("files").value = "";
});
addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) addFiles(files);
});
let over = 0;
addEventListener("dragenter", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  over += 1;
  $("dropping").hidden = false;
});
addEventListener("dragleave", () => {
  over = Math.max(over - 1, 0);
  $("dropping").hidden = over === 0;
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  $("dropping").hidden = true;
  addFiles([...event.dataTransfer.files]);
});

for (const radio of document.getElementsByName("preset")) {
  radio.addEventListener("change", () => { applyPreset(radio.value); settingsChanged(); });
}
$("restoration").addEventListener("input", () => { $("auto").checked = false; });
$("layer").addEventListener("change", () => { draw(); refresh(); });
$("model").addEventListener("change", () => { if (model().fidelity) $("fidelity").value = model().default_fidelity; });
$("size").addEventListener("change", () => { $("size-value").value = $("size").value === "scale" ? 2 : 2048; });
$("settings").addEventListener("input", (event) => { if (event.target.name !== "preset") settingsChanged(); });
$("settings").addEventListener("change", (event) => { if (event.target.name !== "preset") settingsChanged(); });
$("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!current()?.info) return;
  state.told = null;
  const refused = runOf(state.selected);
  if (refused?.state === "failed") removeRun(refused);
  start(state.selected, query());
});
$("cancel").addEventListener("click", () => {
  state.waiting.delete(state.selected);
  const run = runOf(state.selected);
  if (run) removeRun(run);
  showAll();
  tell("Cancelled.");
});
$("go-all").addEventListener("click", () => {
  for (const id of state.order) if (state.pictures.get(id).info && !runOf(id)) start(id, query());
});

// ---- the beginning ----

try {
  state.settings = await json("/page/settings");
  for (const one of state.settings.models) $("model").append(new Option(one.name, one.name, one.default, one.default));
  for (const name of state.settings.formats) $("format").append(new Option(name === "webp" ? "WebP" : name.toUpperCase(), name));
  const { upload_bytes: bytes, pixels } = state.settings.limits;
  $("limit").textContent = ` · up to ${megabytes(bytes)} and ${Math.round(pixels / 1e6)} megapixels`;
  applyPreset("balanced");
  showSettings();
  const { pictures, jobs } = await json("/page/session");
  for (const run of jobs) state.runs.set(run.id, run);
  for (const info of pictures) {
    state.pictures.set(info.id, { info, name: info.name });
    state.order.push(info.id);
    thumbnail(state.pictures.get(info.id));
  }
  if (pictures.length) select(pictures[0].id);
  showAll();
  document.body.dataset.ready = "yes";
  poll();
} catch (failure) {
  document.querySelector(".lead").textContent = failure.message;
}
