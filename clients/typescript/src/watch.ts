/**
 * Live jobs: what the account's jobs do, from one connection for all tabs and subscribers.
 *
 * The stream brings the changes (`stream.ts`). Where there is none, or it fails three times in a
 * minute, unfinished jobs are read (`polling.ts`). One tab does either for all (`tabs.ts`).
 */

import type { Core } from "./client.js";
import { Forbidden, NotFound, Unauthorized } from "./errors.js";
import { callBack, linkedController } from "./platform.js";
import { JobReads } from "./polling.js";
import { jitterMs } from "./retry.js";
import { openJobStream } from "./stream.js";
import { runInOneTab } from "./tabs.js";
import type { Tab, TabMessage } from "./tabs.js";
import type { Schemas } from "./types.js";

export type JobStatus = Schemas["JobStatus"];
export type JobProgress = Schemas["JobProgress"];

/** A change of a job. `GET /api/jobs/{jobId}` has the rest. An event that a read found has no time. */
export type JobEvent = Readonly<
  Omit<Schemas["JobEvent"], "updatedAt"> & Partial<Pick<Schemas["JobEvent"], "updatedAt">>
>;

/**
 * `connecting`: nothing received yet. `live`: the stream brings changes. `polling`: unfinished jobs
 * are read again and again. `paused`: no one looks at the page. `stopped`: by `stop()` or an error.
 */
export type WatchState = "connecting" | "live" | "polling" | "paused" | "stopped";

export interface WatchOptions {
  onJob(job: JobEvent): void;
  onState?(state: WatchState): void;
  /** The account may not watch (any more), for example because it signed out. Watching has stopped. */
  onError?(error: unknown): void;
  /** A followed job does not exist any more. */
  onGone?(jobId: string, error: NotFound): void;
  /** Jobs that the page shows. Needed where there is no stream: it finds unfinished jobs itself. */
  readonly jobIds?: readonly string[];
  readonly signal?: AbortSignal | null;
}

export interface StopWatching {
  (): void;
  /** Follow these jobs as well. */
  follow(...jobIds: readonly string[]): void;
}

const FINAL: ReadonlySet<string> = new Set(["succeeded", "partial", "failed", "canceled"]);
const ORDER = ["draft", "queued", "running", "canceling"];
/** This many failures within a minute, and polling takes over for a minute. */
const FAILURES_LIMIT = 3;
const MINUTE_MS = 60_000;
const FAILURE_BASE_MS = 1_000;
/** Jobs that are remembered; the oldest ones are forgotten first. */
const KNOWN_LIMIT = 1_000;

export function isFinal(job: { readonly status: string }): boolean {
  return FINAL.has(job.status);
}

/** Whether an event says more than what is known. A final state never gives way to an older one. */
export function isNews(event: JobEvent, known: JobEvent | undefined): boolean {
  if (known === undefined) return true;
  if (isFinal(known)) return false;
  if (isFinal(event)) return true;
  const same = event.status === known.status && done(event) === done(known);
  if (event.updatedAt !== undefined && known.updatedAt !== undefined) {
    return event.updatedAt > known.updatedAt || (event.updatedAt === known.updatedAt && !same);
  }
  const [was, is] = [ORDER.indexOf(known.status), ORDER.indexOf(event.status)];
  return !same && is >= was && done(event) >= done(known);
}

function done({ progress }: JobEvent): number {
  return progress.completed + progress.failed;
}

export class JobFeed {
  readonly #core: Core;
  readonly #subscribers = new Set<WatchOptions>();
  readonly #known = new Map<string, JobEvent>();
  readonly #reads: JobReads;
  #state: WatchState = "stopped";
  #lastEventId: string | undefined;
  #stop: (() => void) | undefined;
  #tab: Tab | undefined;

  constructor(core: Core) {
    this.#core = core;
    this.#reads = new JobReads(core, {
      found: (event) => this.#receive(event),
      gone: (jobId, error) => {
        this.#known.delete(jobId);
        this.#tell((subscriber) => subscriber.onGone?.(jobId, error));
      },
    });
  }

  watch(options: WatchOptions): StopWatching {
    const stop = () => {
      options.signal?.removeEventListener("abort", stop);
      if (!this.#subscribers.delete(options)) return;
      if (this.#subscribers.size === 0) this.#end();
    };
    const handle = Object.assign(stop, {
      follow: (...jobIds: readonly string[]) => this.#follow(jobIds),
    });
    if (options.signal?.aborted) return handle;
    options.signal?.addEventListener("abort", stop, { once: true });
    this.#subscribers.add(options);
    if (this.#stop === undefined) this.#begin();
    else options.onState?.(this.#state);
    for (const event of this.#unfinished()) options.onJob(event);
    this.#follow(options.jobIds ?? []);
    return handle;
  }

  #begin(): void {
    const controller = new AbortController();
    this.#stop = () => controller.abort();
    this.#setState("connecting");
    const { signal } = controller;
    runInOneTab(this.#core, {
      signal,
      lead: (leading) => this.#lead(leading),
      opened: (tab) => (this.#tab = tab),
      received: (message) => this.#hear(message),
      paused: () => this.#setState("paused"),
    }).catch((error: unknown) => {
      if (signal.aborted) return;
      const subscribers = [...this.#subscribers];
      this.#subscribers.clear();
      this.#end();
      for (const subscriber of subscribers) {
        subscriber.onState?.("stopped");
        subscriber.onError?.(error);
      }
    });
  }

  #end(): void {
    this.#stop?.();
    this.#stop = this.#tab = this.#lastEventId = undefined;
    this.#known.clear();
    this.#reads.clear();
    this.#state = "stopped";
  }

  /** Bring changes until the signal: by the stream, and for a minute by polling when it fails. */
  async #lead(signal: AbortSignal): Promise<void> {
    const { platform } = this.#core;
    const checks = linkedController(signal);
    const checking = this.#reads.runSilent(checks.signal);
    checking.catch(() => undefined);
    try {
      await this.#reads.readAll(signal);
      let failedAt: number[] = [];
      while (!signal.aborted) {
        if (platform.openStream === undefined || failedAt.length >= FAILURES_LIMIT) {
          this.#setState("polling");
          const forMs = platform.openStream === undefined ? Infinity : MINUTE_MS;
          await this.#reads.poll(signal, platform.now() + forMs);
          failedAt = [];
        }
        if (platform.openStream === undefined) continue;
        try {
          await this.#stream(platform.openStream, signal);
        } catch (error) {
          if (signal.aborted || isFinalRefusal(error)) throw error;
          const now = platform.now();
          failedAt = [...failedAt.filter((at) => at > now - MINUTE_MS), now];
          if (failedAt.length < FAILURES_LIMIT) {
            await platform.sleep(jitterMs(platform, FAILURE_BASE_MS, failedAt.length), signal);
          }
        }
      }
    } finally {
      checks.abort();
      checks.release();
    }
  }

  /** Ends with an error when the stream is closed: most often its ticket has expired. */
  async #stream(
    open: NonNullable<Core["platform"]["openStream"]>,
    signal: AbortSignal,
  ): Promise<never> {
    const { data } = await this.#core.dr.POST("/api/jobs/stream-ticket", { signal });
    return openJobStream(this.#core, open, {
      ticket: data.ticket,
      lastEventId: this.#lastEventId,
      signal,
      live: () => this.#setState("live"),
      received: (event, lastEventId) => {
        this.#lastEventId = lastEventId ?? this.#lastEventId;
        this.#receive(event);
      },
    });
  }

  /** A message of another tab. */
  #hear(message: TabMessage): void {
    switch (message.type) {
      case "job":
        this.#lastEventId = message.lastEventId ?? this.#lastEventId;
        this.#apply(message.event);
        break;
      case "state":
        this.#apply(message.state);
        break;
      case "follow":
        this.#reads.follow(message.jobIds);
        break;
      case "hello":
        if (!this.#tab?.leads) break;
        this.#tab.send({ type: "state", state: this.#state });
        for (const event of this.#unfinished()) this.#send(event);
        break;
    }
  }

  #follow(jobIds: readonly string[]): void {
    if (jobIds.length === 0) return;
    this.#reads.follow(jobIds);
    this.#tab?.send({ type: "follow", jobIds });
  }

  #receive(event: JobEvent): void {
    if (this.#apply(event)) this.#send(event);
  }

  #send(event: JobEvent): void {
    const lastEventId = this.#lastEventId;
    this.#tab?.send({ type: "job", event, ...(lastEventId === undefined ? {} : { lastEventId }) });
  }

  /** Returns whether it was news. */
  #apply(change: JobEvent | WatchState): boolean {
    if (typeof change === "string") {
      this.#state = change;
      this.#tell((subscriber) => subscriber.onState?.(change));
      return true;
    }
    this.#reads.heard(change);
    if (!isNews(change, this.#known.get(change.jobId))) return false;
    this.#known.delete(change.jobId);
    this.#known.set(change.jobId, change);
    if (this.#known.size > KNOWN_LIMIT) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#tell((subscriber) => subscriber.onJob(change));
    return true;
  }

  #setState(state: WatchState): void {
    if (state === this.#state) return;
    this.#apply(state);
    if (state !== "paused") this.#tab?.send({ type: "state", state });
  }

  #unfinished(): JobEvent[] {
    return [...this.#known.values()].filter((event) => !isFinal(event));
  }

  #tell(tell: (subscriber: WatchOptions) => void): void {
    for (const subscriber of [...this.#subscribers]) callBack(() => tell(subscriber));
  }
}

function isFinalRefusal(error: unknown): boolean {
  return error instanceof Unauthorized || error instanceof Forbidden;
}
