// Requests to the server.

export class Failure extends Error {
  constructor(status, sentence, retry) {
    super(sentence);
    this.status = status;
    this.retry = retry;
  }
}

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "The server cannot be reached; is it still running?");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  const retry = Number(answer.headers.get("Retry-After")) || 2;
  throw new Failure(answer.status, body.error ?? `The server answered with status ${answer.status}.`, retry);
}

export const json = async (path, options) => (await ask(path, options)).json();
export const bitmap = async (path, signal) => createImageBitmap(await (await ask(path, { signal })).blob());
