// The layers over the result, and what is said of the one that is shown.

import { runOf } from "/static/runs.js";
import { query } from "/static/settings.js";
import { $, current, state } from "/static/state.js";

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

export const layer = () => $("layer").value;
export const isWhole = (run) => run?.state === "done" && (!layer() || run.result.layers.includes(layer()));

export function showLayer() {
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

export const afterKey = (run) => `${run.id} ${layer()}`;
export const shownPreview = (picture) => picture?.preview?.key === `${previewQuery()} ${layer()}` ? picture.preview : null;
export const previewQuery = () => query().split("&").filter((part) => /^(model|fidelity|restoration)=/.test(part)).join("&");
