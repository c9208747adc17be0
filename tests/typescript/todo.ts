// Calls a todo by a client that is generated from what a node says of its objects.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./objects.js";

const [baseUrl] = process.argv.slice(2);
if (baseUrl === undefined) throw new Error("usage: node todo.js URL");
const objects = createClient<paths>({ baseUrl });
const path = { key: "from/Type Script" };

// What is no task, or no handler, is found by the compiler.
// @ts-expect-error a title is text
const wrongly = () => objects.PUT("/v1/objects/todo/{key}", { params: { path }, body: { title: 7 } });
// @ts-expect-error no body stands for null, which is no task
const empty = () => objects.PUT("/v1/objects/todo/{key}", { params: { path } });
// @ts-expect-error there is no such handler
const unknown = () => objects.POST("/v1/objects/todo/{key}/paint", { params: { path } });
void [wrongly, empty, unknown];

const make = () =>
  objects.PUT("/v1/objects/todo/{key}", {
    params: { path, header: { "If-None-Match": "*" } },
    body: { title: "Compile", color: "green" },
  });
const made = await make();
assert.equal(made.error, undefined);
assert.equal(made.response.headers.get("etag"), '"1-r1"');
const again = await make();
assert.equal(again.error?.code, "version-mismatch");
assert.equal(again.error?.effect, "none");

const complete = () =>
  objects.POST("/v1/objects/todo/{key}/complete", {
    params: { path, header: { "Idempotency-Key": "once" } },
  });
const [first, repeat] = [await complete(), await complete()];
assert.equal(first.response.headers.get("idempotency-replayed"), null);
assert.equal(repeat.response.headers.get("idempotency-replayed"), "true");
assert.equal(repeat.response.headers.get("etag"), '"2-r1"');

const { data: state } = await objects.GET("/v1/objects/todo/{key}", { params: { path } });
assert(state !== undefined);
const title: string = state.title;
const color: "red" | "yellow" | "green" | "blue" = state.color;
assert.deepEqual([title, color, state.completed], ["Compile", "green", true]);
const { data: isDone } = await objects.POST("/v1/objects/todo/{key}/is_done", { params: { path } });
assert.equal(isDone, true);

const query = { prefix: "from/", active: true };
const { data: page } = await objects.GET("/v1/objects/todo", { params: { query } });
assert.deepEqual([page?.keys, page?.next, page?.unanswered], [[path.key], null, []]);
console.log(JSON.stringify({ key: path.key, title, color }));
