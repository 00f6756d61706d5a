/** A fake API and a fake browser: what the client is given instead of its surroundings. */

import { createDarkroom } from "@darkroom/client";
import type { Darkroom, DarkroomOptions, Platform } from "@darkroom/client";

type Handler = (request: Request, times: number) => Response | Error | Promise<Response | Error>;

/** Answers requests by method and path; the path may be a pattern. */
export class FakeApi {
  readonly requests: Request[] = [];
  readonly bodies: unknown[] = [];
  readonly #routes: { method: string; path: RegExp; handler: Handler; times: number }[] = [];

  on(route: string, handler: Handler | Response): this {
    const [method = "", path = ""] = route.split(" ");
    const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+").replace(/\./g, "\\.")}$`);
    const answer = typeof handler === "function" ? handler : () => handler.clone();
    this.#routes.unshift({ method, path: pattern, handler: answer, times: 0 });
    return this;
  }

  /** Answer in this order, and with the last one from then on. */
  sequence(route: string, ...responses: (Response | Error)[]): this {
    return this.on(route, (_, times) => {
      const response = responses[Math.min(times, responses.length) - 1] ?? new Error("none");
      return response instanceof Error ? response : response.clone();
    });
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    this.requests.push(request.clone());
    this.bodies.push(
      await request
        .clone()
        .json()
        .catch(() => undefined),
    );
    const { pathname } = new URL(request.url);
    const route = this.#routes.find(
      ({ method, path }) => method === request.method && path.test(pathname),
    );
    if (route === undefined) throw new Error(`no answer for ${request.method} ${pathname}`);
    route.times += 1;
    const response = await Promise.race([
      route.handler(request, route.times),
      aborted(request.signal),
    ]);
    if (response instanceof Error) throw response;
    return response;
  };

  count(route: string): number {
    const [method, path = ""] = route.split(" ");
    return this.requests.filter(
      (request) => request.method === method && new URL(request.url).pathname === path,
    ).length;
  }

  headers(name: string): (string | null)[] {
    return this.requests.map((request) => request.headers.get(name));
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

export const lost = () => new TypeError("fetch failed");

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  const type = { "Content-Type": "application/json" };
  return new Response(JSON.stringify(body), { status, headers: { ...type, ...headers } });
}

export function failure(
  status: number,
  code: string,
  facts: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Response {
  return json({ error: "A sentence.", code, requestId: "r-1", ...facts }, status, headers);
}

export const BASE = "https://api.example";

export function darkroom(
  api: FakeApi,
  { platform, ...options }: Partial<DarkroomOptions> = {},
): Darkroom {
  return createDarkroom({
    baseUrl: BASE,
    ...options,
    platform: { fetch: api.fetch, random: () => 1, openStream: undefined, ...platform },
  });
}

export async function thrown(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

export function job(jobId: string, status = "running", more: Record<string, unknown> = {}) {
  return {
    jobId,
    recipe: "story",
    status,
    inputs: {},
    creditsReserved: 2,
    receipt: { reserved: 2, used: 0, refunded: 0, parts: [] },
    progress: { completed: 0, failed: 0, total: 7, percent: 0 },
    createdAt: "2026-05-01T10:00:00.000Z",
    tasks: [],
    outputs: [],
    timeline: [],
    ...more,
  };
}

/** A token whose subject is this account. */
export function tokenOf(account: string): string {
  return `e30.${btoa(JSON.stringify({ sub: account }))}.x`;
}

/** What the tabs of one browser share. */
export class FakeBrowser {
  readonly streams: FakeStream[] = [];
  readonly #channels = new Map<string, Set<FakeChannel>>();
  readonly #locks = new Map<string, Promise<unknown>>();

  tab(): Platform & { visibility: FakeVisibility } {
    const visibility = new FakeVisibility();
    return {
      visibility,
      openStream: (url: string) => {
        const stream = new FakeStream(url);
        this.streams.push(stream);
        return stream;
      },
      openChannel: (name: string) => new FakeChannel(this.#group(name)),
      locks: { request: this.#request },
    } as unknown as Platform & { visibility: FakeVisibility };
  }

  get open(): FakeStream[] {
    return this.streams.filter((stream) => stream.readyState !== 2);
  }

  #group(name: string): Set<FakeChannel> {
    const group = this.#channels.get(name) ?? new Set<FakeChannel>();
    this.#channels.set(name, group);
    return group;
  }

  readonly #request = async <T>(
    name: string,
    { signal, ifAvailable }: { signal?: AbortSignal; ifAvailable?: boolean },
    held: (lock: unknown) => Promise<T>,
  ): Promise<T> => {
    if (ifAvailable && this.#locks.has(name)) return held(null);
    while (this.#locks.has(name)) {
      await Promise.race([
        this.#locks.get(name)?.catch(() => undefined),
        ...(signal ? [aborted(signal)] : []),
      ]);
    }
    const holding = held({ name });
    this.#locks.set(name, holding);
    try {
      return await holding;
    } finally {
      this.#locks.delete(name);
    }
  };
}

export class FakeVisibility {
  visibilityState = "visible";
  readonly #listeners = new Set<() => void>();

  addEventListener(_: string, listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_: string, listener: () => void): void {
    this.#listeners.delete(listener);
  }

  become(state: "visible" | "hidden"): void {
    this.visibilityState = state;
    for (const listener of [...this.#listeners]) listener();
  }
}

export class FakeStream {
  readyState = 0;
  readonly #listeners: Record<string, ((event: object) => void)[]> = {};

  constructor(readonly url: string) {}

  get query(): Record<string, string> {
    return Object.fromEntries(new URL(this.url).searchParams);
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    (this.#listeners[type] ??= []).push(listener as (event: object) => void);
  }

  close(): void {
    this.readyState = 2;
  }

  opens(): void {
    this.readyState = 1;
    this.#fire("open", {});
  }

  /** The response ends, and EventSource is about to return. */
  reconnects(): void {
    this.readyState = 0;
    this.#fire("error", {});
  }

  refused(): void {
    this.readyState = 2;
    this.#fire("error", {});
  }

  sends(event: object, lastEventId: string): void {
    this.#fire("job", { data: JSON.stringify(event), lastEventId });
  }

  #fire(type: string, event: object): void {
    for (const listener of this.#listeners[type] ?? []) listener(event);
  }
}

class FakeChannel {
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(readonly group: Set<FakeChannel>) {
    group.add(this);
  }

  postMessage(message: unknown): void {
    for (const other of this.group) {
      if (other !== this)
        queueMicrotask(() => other.onmessage?.({ data: structuredClone(message) }));
    }
  }

  close(): void {
    this.group.delete(this);
  }
}
