// The settings: what they ask of the server, and how they show what is possible.

import { $, current, state } from "/static/state.js";

export const model = () => state.settings.models.find((one) => one.name === $("model").value);

export function query() {
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

export const encoded = (plain) => new URLSearchParams(plain.split("&").map((part) => {
  const cut = part.indexOf("=");
  return [part.slice(0, cut), part.slice(cut + 1)];
})).toString();

export function targetSize({ width, height }) {
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

export function applyPreset(name) {
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

export function showSettings() {
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
