// Pictures: added, selected and removed.

import { draw } from "/static/drawing.js";
import { showAll } from "/static/lists.js";
import { fit, resize } from "/static/navigation.js";
import { Failure, ask, json } from "/static/server.js";
import { showSettings } from "/static/settings.js";
import { $, current, megabytes, state } from "/static/state.js";
import { wholeView } from "/static/views.js";

export async function addFiles(files) {
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

export async function thumbnail(picture) {
  const { id, width, height } = picture.info;
  picture.before = { base: await wholeView(`/page/pictures/${id}/before`, width, height, width, height, null) };
  showAll();
  draw();
}

export function select(id) {
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

$("pictures").addEventListener("click", (event) => {
  const { id } = event.target.closest("li")?.dataset ?? {};
  if (event.target.closest(".remove")) remove(id);
  else if (event.target.closest(".pick") && state.pictures.get(id).info) select(id);
});
