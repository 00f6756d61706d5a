/** Reads of unfinished jobs: instead of the stream, and beside it for jobs it is silent about. */

import type { Core } from "./client.js";
import { DarkroomError, Forbidden, NotFound, Unauthorized } from "./errors.js";
import type { Schemas } from "./types.js";
import type { JobEvent } from "./watch.js";
import { isFinal } from "./watch.js";

/** Jobs followed at the same time; the first ones are dropped. */
const FOLLOWED_LIMIT = 100;
/** Between two reads if the API does not say it (`pollAfterMs`), and after a failed read. */
const POLL_MS = 2_000;
const TURN_MS = 500;
/** How often polling looks for unfinished jobs that it does not know. */
const DISCOVER_MS = 60_000;
const DISCOVERED = 20;
/** An unfinished job without an event for this long is read: the stream forgives lateness of a minute. */
const SILENT_MS = 60_000;
const SILENT_CHECK_MS = 15_000;

interface Followed {
  etag: string | null;
  nextAt: number;
  heardAt: number;
}

interface Receiver {
  found(event: JobEvent): void;
  gone(jobId: string, error: NotFound): void;
}

export class JobReads {
  readonly #core: Core;
  readonly #receiver: Receiver;
  readonly #followed = new Map<string, Followed>();
  readonly #ended = new Set<string>();

  constructor(core: Core, receiver: Receiver) {
    this.#core = core;
    this.#receiver = receiver;
  }

  follow(jobIds: readonly string[]): void {
    const now = this.#core.platform.now();
    for (const jobId of jobIds) {
      if (this.#followed.has(jobId) || this.#ended.has(jobId)) continue;
      // Nothing heard yet: it may have ended already, and then the stream is silent about it.
      this.#followed.set(jobId, { etag: null, nextAt: now, heardAt: -Infinity });
      const [oldest] = this.#followed.keys();
      if (this.#followed.size > FOLLOWED_LIMIT && oldest !== undefined) {
        this.#followed.delete(oldest);
      }
    }
  }

  /** Something was received about this job, from wherever. */
  heard(event: JobEvent): void {
    if (isFinal(event)) {
      this.#followed.delete(event.jobId);
      if (this.#ended.size >= FOLLOWED_LIMIT) this.#ended.clear();
      this.#ended.add(event.jobId);
      return;
    }
    this.follow([event.jobId]);
    const followed = this.#followed.get(event.jobId);
    if (followed) followed.heardAt = this.#core.platform.now();
  }

  clear(): void {
    this.#followed.clear();
    this.#ended.clear();
  }

  /** Read all followed jobs once: what happened while nobody listened. */
  async readAll(signal: AbortSignal): Promise<void> {
    for (const jobId of [...this.#followed.keys()]) await this.#read(jobId, signal);
  }

  async poll(signal: AbortSignal, until: number): Promise<void> {
    const { platform } = this.#core;
    let discoverAt = platform.now();
    while (platform.now() < until) {
      if (platform.now() >= discoverAt) {
        discoverAt = platform.now() + DISCOVER_MS;
        await this.#discover(signal);
      }
      for (const [jobId, followed] of [...this.#followed]) {
        if (followed.nextAt <= platform.now()) await this.#read(jobId, signal);
      }
      await platform.sleep(TURN_MS, signal);
    }
  }

  /** Beside the stream: read what it has said nothing about for a minute. */
  async runSilent(signal: AbortSignal): Promise<never> {
    const { platform } = this.#core;
    for (;;) {
      await platform.sleep(SILENT_CHECK_MS, signal);
      for (const [jobId, followed] of [...this.#followed]) {
        if (platform.now() - followed.heardAt < SILENT_MS) continue;
        await this.#read(jobId, signal);
      }
    }
  }

  async #discover(signal: AbortSignal): Promise<void> {
    await this.#forgiving(signal, async () => {
      const params = { query: { limit: DISCOVERED } };
      const { data } = await this.#core.dr.GET("/api/jobs", { params, signal });
      for (const job of data.items) {
        if (!isFinal(job) && job.status !== "draft") this.#receiver.found(eventOf(job));
      }
    });
  }

  async #read(jobId: string, signal: AbortSignal): Promise<void> {
    const followed = this.#followed.get(jobId);
    if (followed === undefined) return;
    followed.nextAt = this.#core.platform.now() + POLL_MS;
    followed.heardAt = this.#core.platform.now();
    await this.#forgiving(signal, async () => {
      try {
        const params = { path: { jobId } };
        const path = "/api/jobs/{jobId}";
        const read = await this.#core.dr.ifChanged(path, { params, etag: followed.etag, signal });
        if (!read.changed) return;
        followed.etag = read.etag;
        followed.nextAt = this.#core.platform.now() + (read.data.pollAfterMs ?? POLL_MS);
        this.#receiver.found(eventOf(read.data));
      } catch (error) {
        if (!(error instanceof NotFound)) throw error;
        this.#followed.delete(jobId);
        this.#receiver.gone(jobId, error);
      }
    });
  }

  /** The next read may succeed, so only the end of the session ends the reads. */
  async #forgiving(signal: AbortSignal, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      const ends = error instanceof Unauthorized || error instanceof Forbidden;
      if (signal.aborted || ends || !(error instanceof DarkroomError)) throw error;
    }
  }
}

function eventOf({
  jobId,
  status,
  progress,
}: Schemas["JobSummary"] | Schemas["JobResponse"]): JobEvent {
  return { jobId, status, progress };
}
