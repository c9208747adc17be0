// Subscriptions to the events of objects.
//
// A browser opens at most six connections to a node, and a page may watch hundreds of objects, so it uses WebSockets.
// A browser's WebSocket cannot send a token. With a token, the page therefore reads server-sent events.

import { pathOf } from "./objects.js";

const PAUSE_MS = 500;
const PAUSE_MS_MAX = 10_000;

/**
 * Watches an object until the signal aborts, and reconnects after failures. Calls `heard(event, data)` for each event,
 * and `connected(isConnected)` when the connection is established or lost.
 */
export async function watch(objects, type, key, { signal, heard, connected = () => {} }) {
  const path = `${pathOf(type, key)}/events`;
  const read = objects.token ? readStream : readSocket;
  let last = null;
  let pause = PAUSE_MS;
  // A subscriber that resumes receives no event until the next change, so opening the connection must be enough.
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
 * Waits until the node answers, with one request for all waiting subscriptions: after failed attempts, a browser delays
 * each new WebSocket by seconds, one after another.
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

/** Parses one server-sent event, whose data is JSON on one line. Comments and `retry` have no `event`. */
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
