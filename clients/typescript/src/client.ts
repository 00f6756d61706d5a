/** The client: typed calls by path that throw, repeat what is safe to repeat, and renew the token. */

import createClient from "openapi-fetch";
import { Action, findKept } from "./action.js";
import type { ActionOptions, ActionStorage, KeptRequest } from "./action.js";
import { badResponse, errorOf, offline, Unauthorized } from "./errors.js";
import { JobFeed } from "./watch.js";
import type { StopWatching, WatchOptions } from "./watch.js";
import { listPages } from "./pages.js";
import type { Pages } from "./pages.js";
import { accountOf, currentPlatform, linkedController, reasonOf } from "./platform.js";
import type { Platform } from "./platform.js";
import { RETRIES, repeatTransient } from "./retry.js";
import type { RetryPolicy } from "./retry.js";
import type { paths } from "./schema.js";
import type {
  Answer,
  DataOf,
  InitOf,
  ListPath,
  Operation,
  PagesOptions,
  PathOf,
  ReadCall,
  Schemas,
  WriteCall,
} from "./types.js";
import { Uploads } from "./uploads/uploads.js";
import { waitForJob } from "./wait.js";

/** Returns the bearer token, or nothing for a caller who is not signed in. `rejected` is the token
 * that the API has just refused: then return another one, or throw. */
export type TokenProvider = (
  rejected?: string,
) => Promise<string | null | undefined> | string | null | undefined;

export interface DarkroomOptions {
  /** The address of the API, without `/api`. Empty for pages that the API's own address serves. */
  readonly baseUrl: string;
  readonly token?: TokenProvider;
  /** The language of error messages and labels: `en`, `ko`, or a function that returns it. */
  readonly locale?: string | (() => string);
  readonly retries?: Partial<RetryPolicy>;
  /** Replaces parts of the surroundings: for tests, and for runtimes without them. */
  readonly platform?: Partial<Platform>;
}

/** A response to a read that named the version it already has. */
export type Changed<Data> =
  | {
      readonly changed: true;
      readonly data: Data;
      readonly etag: string | null;
      readonly response: Response;
    }
  | { readonly changed: false; readonly response: Response };

/** A request whose response was not seen before the page went away. */
export interface Unfinished {
  readonly path: string;
  readonly startedAt: number;
  /** Sends exactly the same request again, with the same key. */
  repeat(): Promise<Answer<unknown>>;
  forget(): Promise<void>;
}

export interface Darkroom {
  readonly GET: ReadCall;
  readonly POST: WriteCall<"post">;
  readonly PATCH: WriteCall<"patch">;
  readonly DELETE: WriteCall<"delete">;
  /** A read that costs nothing while the resource is the same: sends `If-None-Match`. */
  ifChanged<P extends PathOf<"get">>(
    path: P,
    init: InitOf<Operation<P, "get">> & { readonly etag: string | null | undefined },
  ): Promise<Changed<DataOf<Operation<P, "get">>>>;
  /** One per press of a button. All requests that carry it happen once. */
  action(options?: ActionOptions): Action;
  /** The request that an action with `storage` has left open, for example after a reload. */
  unfinished(options: { storage: ActionStorage; name?: string }): Promise<Unfinished | null>;
  /** All items of a list, page by page. */
  pages<P extends ListPath>(path: P, options?: PagesOptions<P>): Pages<P>;
  readonly jobs: {
    /** Follow the account's jobs: over the stream, or by polling where there is none. */
    watch(options: WatchOptions): StopWatching;
    /** The job once it has ended. */
    wait(jobId: string, options?: { signal?: AbortSignal | null }): Promise<Schemas["JobResponse"]>;
  };
  readonly uploads: Uploads;
}

/** What the client's own modules call with. */
export interface Core {
  readonly platform: Platform;
  readonly baseUrl: string;
  readonly dr: Pick<Darkroom, "GET" | "POST" | "DELETE" | "ifChanged">;
  /** A POST that the API allows to repeat without a key. */
  repeatable: WriteCall<"post">;
  /** The account of the present token, if it can be read. */
  account(): Promise<string | undefined>;
}

interface Init {
  readonly action?: Action;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | null;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

interface Result {
  readonly data: unknown;
  readonly response: Response;
}

type Transport = (
  method: string,
  path: string,
  init: object,
) => Promise<{ error?: unknown; response: Response }>;

export function createDarkroom(options: DarkroomOptions): Darkroom {
  const platform = withDefaults(options.platform);
  const policy: RetryPolicy = { ...RETRIES, ...options.retries };
  const sender = new Sender(options, platform, policy);
  const write = (method: string) => (path: string, init?: Init) => sender.call(method, path, init);
  const dr = {
    GET: write("GET") as unknown as ReadCall,
    POST: write("POST") as unknown as WriteCall<"post">,
    PATCH: write("PATCH") as unknown as WriteCall<"patch">,
    DELETE: write("DELETE") as unknown as WriteCall<"delete">,
    ifChanged: ((path: string, init: Init & { etag?: string | null }) =>
      sender.ifChanged(path, init)) as Darkroom["ifChanged"],
  };
  const core: Core = {
    platform,
    baseUrl: options.baseUrl.replace(/\/$/, ""),
    dr,
    repeatable: ((path: string, init?: Init) =>
      sender.call("POST", path, init, { safe: true })) as unknown as WriteCall<"post">,
    account: async () => accountOf(await options.token?.()),
  };
  const feed = new JobFeed(core);
  return {
    ...dr,
    action: (given = {}) => new Action(given.key ?? platform.uuid(), given),
    unfinished: (given) => sender.unfinished(given),
    pages: (path, given) => listPages(dr.GET, path, given),
    jobs: {
      watch: (given) => feed.watch(given),
      wait: (jobId, given) => waitForJob(core, feed, jobId, given?.signal),
    },
    uploads: new Uploads(core),
  };
}

function withDefaults(given: Partial<Platform> | undefined): Platform {
  return { ...currentPlatform(), ...given };
}

class Sender {
  readonly #options: DarkroomOptions;
  readonly #platform: Platform;
  readonly #policy: RetryPolicy;
  readonly #transport: Transport;
  readonly #renewals = new Map<string, Promise<string | null | undefined>>();

  constructor(options: DarkroomOptions, platform: Platform, policy: RetryPolicy) {
    this.#options = options;
    this.#platform = platform;
    this.#policy = policy;
    const client = createClient<paths>({ baseUrl: options.baseUrl });
    this.#transport = client.request as unknown as Transport;
  }

  /** `safe`: the API may get this request twice although it has no action. */
  async call(
    method: string,
    path: string,
    init: Init = {},
    { safe = false } = {},
  ): Promise<Answer<unknown>> {
    const { action, ...sent } = init;
    const reads = method === "GET";
    const repeats = reads || safe || method === "DELETE" || action !== undefined;
    await action?.begin((key) => this.#kept(key, method, path, sent));
    let lost = false;
    try {
      const { data, response } = await repeatTransient(
        this.#platform,
        this.#policy,
        ({ leftMs }) => this.#attempt(method, path, init, leftMs),
        {
          signal: init.signal,
          repeats: (error) => {
            lost ||= error.status === 0 || error.status >= 500;
            return repeats && (reads || error.status !== 429 || this.#policy.actionsAwaitRateLimit);
          },
        },
      );
      await action?.end();
      return { data, response, replayed: response.headers.get("Idempotent-Replayed") === "true" };
    } catch (error) {
      if (method === "DELETE" && lost && isGone(error)) {
        // The first request did it, and its response was lost.
        return { data: undefined, response: new Response(null, { status: 204 }), replayed: true };
      }
      await action?.end(error);
      throw error;
    }
  }

  async ifChanged(path: string, init: Init & { etag?: string | null }): Promise<Changed<unknown>> {
    const { etag, ...rest } = init;
    const headers = { ...rest.headers, ...(etag ? { "If-None-Match": etag } : {}) };
    const { data, response } = await this.call("GET", path, { ...rest, headers });
    if (response.status === 304) return { changed: false, response };
    return { changed: true, data, etag: response.headers.get("ETag"), response };
  }

  async unfinished({
    storage,
    name,
  }: {
    storage: ActionStorage;
    name?: string;
  }): Promise<Unfinished | null> {
    const account = accountOf(await this.#options.token?.());
    const now = this.#platform.now();
    const kept = await findKept(storage, name, { account, now });
    if (kept === null) return null;
    const action = new Action(kept.key, name === undefined ? { storage } : { storage, name });
    return {
      path: kept.path,
      startedAt: kept.startedAt,
      repeat: () => this.call(kept.method, kept.path, { ...kept.init, action }),
      forget: () => action.end(),
    };
  }

  async #kept(key: string, method: string, path: string, init: Init): Promise<KeptRequest> {
    const account = accountOf(await this.#options.token?.());
    const { signal: _, ...request } = init;
    const startedAt = this.#platform.now();
    const known = account === undefined ? {} : { account };
    return { key, startedAt, ...known, method, path, init: request };
  }

  /** One request, and a second one with another token if the first token is refused. */
  async #attempt(method: string, path: string, init: Init, leftMs: number): Promise<Result> {
    const token = await this.#options.token?.();
    const limitMs = Math.min(this.#policy.attemptMs, leftMs);
    try {
      return await this.#send(method, path, init, token, limitMs);
    } catch (error) {
      if (!(error instanceof Unauthorized) || !this.#options.token || !token) throw error;
      const other = await this.#renew(token);
      if (!other || other === token) throw error;
      return await this.#send(method, path, init, other, limitMs);
    }
  }

  /** Another token. Calls that were refused at the same time with the same token share one. */
  #renew(rejected: string): Promise<string | null | undefined> {
    const known = this.#renewals.get(rejected);
    if (known !== undefined) return known;
    const renewal = Promise.resolve(this.#options.token?.(rejected)).finally(() =>
      this.#renewals.delete(rejected),
    );
    this.#renewals.set(rejected, renewal);
    return renewal;
  }

  async #send(
    method: string,
    path: string,
    init: Init,
    token: string | null | undefined,
    limitMs: number,
  ): Promise<Result> {
    const { action, headers, signal, ...rest } = init;
    const limit = linkedController(signal);
    const timer = setTimeout(() => limit.abort(), limitMs);
    let begun = false;
    try {
      const { error, response } = await this.#transport(method, path, {
        ...rest,
        headers: { ...this.#headers(token, action), ...headers },
        signal: limit.signal,
        fetch: (request: Request) => {
          begun = true;
          return this.#platform.fetch(request);
        },
        parseAs: "stream", // Not read yet: the type of the body decides how.
      });
      if (response.ok) return { data: await bodyOf(response), response };
      if (response.status === 304) return { data: undefined, response };
      throw errorOf(response, error, this.#platform.now());
    } catch (error) {
      if (signal?.aborted) throw reasonOf(signal);
      if (limit.signal.aborted) throw offline("TIMEOUT", error);
      // Before the request was sent, a TypeError is a mistake in its options.
      throw begun && error instanceof TypeError ? offline("OFFLINE", error) : error;
    } finally {
      clearTimeout(timer);
      limit.release();
    }
  }

  #headers(token: string | null | undefined, action: Action | undefined): Record<string, string> {
    const { locale } = this.#options;
    const language = typeof locale === "function" ? locale() : locale;
    return {
      ...(language ? { "Accept-Language": language } : {}),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(action ? { "Idempotency-Key": action.key } : {}),
    };
  }
}

function isGone(error: unknown): boolean {
  return (error as { status?: number }).status === 404;
}

/** JSON as its value, everything else (CSV) as text. */
async function bodyOf(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined;
  const text = await response.text();
  const type = response.headers.get("Content-Type") ?? "";
  if (text === "") return undefined;
  if (!/[/+]json\b/.test(type)) {
    if (/^text\/html/.test(type)) throw badResponse(response.status, new Error(type));
    return text;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badResponse(response.status, error);
  }
}
