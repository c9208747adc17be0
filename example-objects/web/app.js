// Page of a shared list: shows the state of objects, and calls their handlers for the user. It stores nothing.

import { newKey, Objects, Problem } from "./objects.js";
import { watch } from "./watch.js";

const parameters = new URLSearchParams(location.search);
const listKey = parameters.get("list") || "home";
const userKey = parameters.get("user") || "anonymous";

const byId = (id) => document.getElementById(id);
const objects = new Objects(sessionStorage.getItem("token"));

/** Todos on the page by key: the element, and the controller that ends the subscription. */
const shown = new Map();

// The list publishes its state with each change, so the page need not request it.
watch(objects, "list", listKey, {
  signal: new AbortController().signal,
  heard: (_, { state }) => state && showList(state),
  connected: (isConnected) => {
    byId("connection").textContent = isConnected ? "live" : "connecting";
    byId("connection").classList.toggle("live", isConnected);
  },
});

follow("user", userKey, new AbortController().signal, showUser);

function showList({ title, todos, allowed_users: users }) {
  document.title = title || listKey;
  byId("title").textContent = title || listKey;
  byId("empty").hidden = todos.length > 0;
  showLines(byId("users"), users.length > 0 ? users : ["everyone"]);
  for (const [key, { ending }] of shown) {
    if (!todos.includes(key)) {
      ending.abort();
      shown.delete(key);
    }
  }
  // Existing elements are reused, and not moved without need, so that text which a user is typing stays.
  const elements = todos.map((key) => (shown.get(key) ?? beginTodo(key)).element);
  const isInPlace = elements.every((element, index) => byId("todos").children[index] === element);
  if (!isInPlace || elements.length !== byId("todos").children.length) {
    byId("todos").replaceChildren(...elements);
  }
}

function beginTodo(key) {
  const element = byId("todo").content.firstElementChild.cloneNode(true);
  const [checkbox, title] = element.querySelectorAll("input");
  const ending = new AbortController();
  const refresh = follow("todo", key, ending.signal, (todo) => showTodo(element, todo));
  element.dataset.key = key;
  // After a rejection, the page shows the actual state again.
  checkbox.onchange = () =>
    attempt(() => objects.call("list", listKey, "complete", key)).then(refresh);
  title.onchange = () =>
    attempt(() => objects.call("todo", key, "rename", title.value)).then(refresh);
  element.querySelector("button").onclick = () =>
    attempt(() => objects.call("list", listKey, "remove_todo", key));
  const todo = { element, ending };
  shown.set(key, todo);
  return todo;
}

function showTodo(element, todo) {
  const [checkbox, title] = element.querySelectorAll("input");
  element.classList.toggle("done", todo.completed);
  checkbox.checked = todo.completed;
  // A completed todo cannot be reopened.
  checkbox.disabled = todo.completed;
  if (document.activeElement !== title) {
    title.value = todo.title;
  }
}

function showUser({ name, lists, notices }) {
  byId("me").textContent = name || userKey;
  const links = lists.map((list) => {
    const link = document.createElement("a");
    link.href = `?${new URLSearchParams({ list, user: userKey })}`;
    link.textContent = list;
    return link;
  });
  showLines(byId("lists"), links);
  showLines(byId("notices"), notices.slice(-5).reverse().map((notice) => notice.text));
}

/** Shows one line for each: text, which is never parsed as HTML, or an element. */
function showLines(parent, lines) {
  parent.replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.append(line);
    return item;
  }));
}

/**
 * Shows an object now and after every change, and returns a function that refreshes it. A response is ignored if a
 * later request was sent, because the later response is newer.
 */
function follow(type, key, signal, show) {
  let asked = 0;
  const refresh = () => report(async () => {
    asked += 1;
    const turn = asked;
    const state = await objects.state(type, key);
    if (turn === asked && !signal.aborted) {
      show(state);
    }
  });
  // Requests that were sent without a connection may have failed.
  const connected = (isConnected) => { if (isConnected) refresh(); };
  watch(objects, type, key, { signal, heard: refresh, connected });
  refresh();
  return refresh;
}

/** Performs a user's action, and shows a failure. */
function attempt(work) {
  byId("problem").hidden = true;
  return report(work);
}

async function report(work) {
  try {
    await work();
  } catch (error) {
    byId("problem").textContent = error instanceof Problem ? error.message : String(error);
    byId("problem").hidden = false;
  }
}

function onSubmit(id, work) {
  byId(id).onsubmit = (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const [input] = form.elements;
    attempt(async () => {
      await work(input.value.trim());
      form.reset();
    });
  };
}

onSubmit("add", async (title) => {
  const todo = newKey();
  await objects.put("todo", todo, { title });
  await objects.call("list", listKey, "insert_todo", { todo });
});
onSubmit("share", (user) => objects.call("list", listKey, "allow_user", user));
onSubmit("sign-in", (token) => {
  sessionStorage.setItem("token", token);
  location.reload();
});
byId("me").textContent = userKey;
