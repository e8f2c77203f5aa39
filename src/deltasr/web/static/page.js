// The page: its forms, files that come in, and its beginning. All computing happens in the server.

import { draw } from "/static/drawing.js";
import { poll, start } from "/static/jobs.js";
import { showAll } from "/static/lists.js";
import { addFiles, select, thumbnail } from "/static/pictures.js";
import { removeRun, runOf, tell } from "/static/runs.js";
import { json } from "/static/server.js";
import { applyPreset, model, query, showSettings } from "/static/settings.js";
import { $, current, megabytes, state } from "/static/state.js";
import { refresh } from "/static/views.js";

function settingsChanged() {
  showSettings();
  showAll();
  draw();
  refresh();
}

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
