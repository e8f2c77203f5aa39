// The list of pictures, and the buttons of the selected one and of all.

import { isActive, runOf, say, subject } from "/static/runs.js";
import { $, current, megabytes, state } from "/static/state.js";

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

export function showAll() {
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
  return item;
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
