// Jobs as the server told of them, and what is said of the selected picture.

import { ask } from "/static/server.js";
import { query } from "/static/settings.js";
import { $, state } from "/static/state.js";

export function runOf(id, wanted = query()) {
  return [...state.runs.values()].reverse().find((run) =>
    run.picture === id && run.query === wanted && run.state !== "cancelled");
}

export const isActive = (run) => run && ["waiting", "running"].includes(run.state);

export function removeRun(run) {
  state.runs.delete(run.id);
  if (!run.id.startsWith("refused")) ask(`/page/jobs/${run.id}`, { method: "DELETE" }).catch(() => {});
}

export const subject = () => `${state.selected} ${query()}`;

export function tell(sentence, bad = false) {
  state.told = { about: subject(), sentence, bad };
  say(sentence, bad);
}

export function say(sentence, bad = false) {
  if ($("status").textContent !== sentence) $("status").textContent = sentence;
  $("status").classList.toggle("bad", bad);
}
