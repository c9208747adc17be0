// HTTP client of objects: reads their state, and calls their handlers.

const ATTEMPTS = 4;

/** Failed request, with a sentence for people. */
export class Problem extends Error {}

/** Returns the path of an object: its type and key, each as one segment. */
export function pathOf(type, key) {
  return `/v1/objects/${encodeURIComponent(type)}/${encodeURIComponent(key)}`;
}

/** Returns a random key that is unique. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Requests of one user, with the user's token if there is one. */
export class Objects {
  constructor(token) {
    this.token = token;
  }

  get headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  state(type, key) {
    return this.#request("GET", pathOf(type, key));
  }

  put(type, key, state) {
    return this.#request("PUT", pathOf(type, key), state);
  }

  call(type, key, handler, argument = null) {
    return this.#request("POST", `${pathOf(type, key)}/${handler}`, argument);
  }

  /** Retries requests that may be retried. With the idempotency key, each takes effect once. */
  async #request(method, path, body) {
    const headers = { ...this.headers };
    if (method !== "GET") {
      headers["Content-Type"] = "application/json";
      headers["Idempotency-Key"] = newKey();
    }
    const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    for (let attempt = 1; ; attempt += 1) {
      const answer = await fetch(path, request).catch(() => null);
      if (answer?.ok) {
        return answer.json();
      }
      const problem = await answer?.json().catch(() => null);
      // A body that is not a problem document comes from a proxy in front of the node.
      const mayTryAgain = problem?.retryable ?? (!answer || answer.status >= 500);
      if (attempt === ATTEMPTS || !mayTryAgain) {
        throw new Problem(sentence(problem));
      }
      await new Promise((done) => setTimeout(done, 250 * 2 ** attempt));
    }
  }
}

function sentence(problem) {
  if (!problem) {
    return "No node is responding.";
  }
  return problem.rejection?.message ?? problem.detail ?? problem.title ?? "The node did not give a reason.";
}
