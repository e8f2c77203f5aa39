// What the page knows, and the elements that show it.

export const $ = (id) => document.getElementById(id);

export const state = {
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

export const current = () => state.pictures.get(state.selected);

export const megabytes = (bytes) => bytes < 1e6 ? `${Math.max(Math.round(bytes / 1e3), 1)} kB` : `${Number((bytes / 1e6).toFixed(1))} MB`;
