// Jobs in the server's queue: started, waited for, and forgotten.

import { draw } from "/static/drawing.js";
import { showAll } from "/static/lists.js";
import { isActive, removeRun, tell } from "/static/runs.js";
import { json } from "/static/server.js";
import { encoded } from "/static/settings.js";
import { state } from "/static/state.js";
import { refresh } from "/static/views.js";

const POLL = 400;
const KEEP_ALIVE = 60_000;
const KEPT_RUNS = 3;

export async function start(id, wanted) {
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

let polling = null;
export function poll(delay = 0) {
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
