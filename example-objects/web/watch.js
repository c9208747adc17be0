// What happens to an object, as it happens.
//
// A browser opens six connections to a node at once, and a page may watch hundreds of objects, so that it watches by
// WebSocket. A WebSocket of a browser cannot send a token: where there is one, the page reads server-sent events.

import { pathOf } from "./objects.js";

const PAUSE_MS = 500;
const PAUSE_MS_MAX = 10_000;

/**
 * Watches an object until the signal aborts, through whatever breaks meanwhile. `heard(event, data)` is called for each
 * event, and `connected(isConnected)` when the connection comes and goes.
 */
export async function watch(objects, type, key, { signal, heard, connected = () => {} }) {
  const path = `${pathOf(type, key)}/events`;
  const read = objects.token ? readStream : readSocket;
  let last = null;
  let pause = PAUSE_MS;
  // Whoever goes on where it was hears nothing until something happens.
  const opened = () => {
    pause = PAUSE_MS;
    connected(true);
  };
  const take = ({ id, event, data }) => {
    last = id ?? last;
    if (event !== "closed") {
      heard(event, data);
    }
  };
  while (!signal.aborted) {
    await read({ objects, path, last, signal, opened, take }).catch(() => {});
    if (!signal.aborted) {
      connected(false);
      await sleep(pause * (0.5 + Math.random()), signal);
      pause = Math.min(2 * pause, PAUSE_MS_MAX);
      await nodeAnswers(objects, path);
    }
  }
}

let asking = null;

/**
 * Waits until the node answers, asking once for all who wait: a browser makes whoever opens WebSockets in vain wait for
 * seconds, one after the other.
 */
function nodeAnswers(objects, path) {
  const headers = { ...objects.headers, Accept: "application/json" };
  const ask = async () => {
    for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, PAUSE_MS_MAX)) {
      const answer = await fetch(path, { headers }).catch(() => null);
      if (answer && answer.status < 500) {
        return;
      }
      await sleep(pause, new AbortController().signal);
    }
  };
  asking ??= ask().finally(() => { asking = null; });
  return asking;
}

function readSocket({ path, last, signal, opened, take }) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  if (last) {
    url.searchParams.set("last_event_id", last);
  }
  return new Promise((ended) => {
    const socket = new WebSocket(url);
    const stop = () => socket.close();
    signal.addEventListener("abort", stop, { once: true });
    socket.onopen = opened;
    socket.onmessage = (message) => take(JSON.parse(message.data));
    socket.onclose = () => {
      signal.removeEventListener("abort", stop);
      ended();
    };
  });
}

async function readStream({ objects, path, last, signal, opened, take }) {
  const headers = { ...objects.headers, Accept: "text/event-stream" };
  if (last) {
    headers["Last-Event-ID"] = last;
  }
  const answer = await fetch(path, { headers, signal });
  if (!answer.ok) {
    return;
  }
  opened();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const frames = (text + value).split("\n\n");
    text = frames.pop();
    frames.map(frameOf).filter((frame) => frame.event).forEach(take);
  }
}

/** One server-sent event, whose data is JSON on one line. Comments and `retry` have no `event`. */
function frameOf(text) {
  const frame = {};
  for (const line of text.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name) {
      frame[name] = name === "data" ? JSON.parse(value) : value;
    }
  }
  return frame;
}

function sleep(ms, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}
