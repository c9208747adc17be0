// A shared list on one page: it shows what the objects are, and tells them what people want of them. It keeps nothing.

import { newKey, Objects, Problem } from "./objects.js";
import { watch } from "./watch.js";

const parameters = new URLSearchParams(location.search);
const listKey = parameters.get("list") || "home";
const userKey = parameters.get("user") || "anonymous";

const byId = (id) => document.getElementById(id);
const objects = new Objects(sessionStorage.getItem("token"));

/** Todos on the page by their keys: the element, and what ends watching. */
const shown = new Map();

// The list shows its state with each change, so that there is nothing to ask for.
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
  showLines(byId("users"), users.length > 0 ? users : ["everybody"]);
  for (const [key, { ending }] of shown) {
    if (!todos.includes(key)) {
      ending.abort();
      shown.delete(key);
    }
  }
  // Appending moves what is there already, so that what somebody types stays.
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
  // What was refused is shown as it is.
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
  // What is done stays done.
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

/** One line for each: text, which is never read as HTML, or an element. */
function showLines(parent, lines) {
  parent.replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.append(line);
    return item;
  }));
}

/**
 * Shows an object as it is now and whenever it has changed, and gives a function that looks once more. An answer is
 * passed over where it was asked again meanwhile: the later one is the newer one.
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
  // What was asked while there was no connection may have had no answer.
  const connected = (isConnected) => { if (isConnected) refresh(); };
  watch(objects, type, key, { signal, heard: refresh, connected });
  refresh();
  return refresh;
}

/** Does what somebody wants, and says so where it does not work. */
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
