/** Bring one file's bytes to the storage: parts, their links, and the report that all have arrived. */

import type { Core } from "../client.js";
import { hasCode, offline } from "../errors.js";
import { stopIfAborted } from "../platform.js";
import { jitterMs } from "../retry.js";
import { missing, partsOf, slice } from "./entry.js";
import type { Entry, UploadStatus } from "./entry.js";
import type { Slots } from "./slots.js";
import { put } from "./transfer.js";

const SENDERS = 6;
const PART_ATTEMPTS = 5;
const PART_BASE_MS = 500;
const COMPLETE_ROUNDS = 5;
const SIGNED_AT_ONCE = 100;
/** Signing serves several parts; one that was not among them asks again. */
const SIGN_TRIES = 5;
/** A link is replaced this long before its end. */
const LINK_MARGIN_MS = 60_000;
const ONLINE_CHECK_MS = 1_000;

interface Reporter {
  status(entry: Entry, status: UploadStatus): void;
  progress(entry: Entry): void;
}

export class Sender {
  readonly #core: Core;
  readonly #slots: Slots;
  readonly #report: Reporter;

  constructor(core: Core, slots: Slots, report: Reporter) {
    this.#core = core;
    this.#slots = slots;
    this.#report = report;
  }

  /**
   * Send what has not arrived. The first part that fails ends the others.
   *
   * Each file asks for one slot at a time per sender, so that a large file does not keep small ones waiting.
   */
  async sendParts(entry: Entry): Promise<void> {
    const waiting = missing(entry);
    const send = async () => {
      for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
        const part = number;
        try {
          await this.#slots.run(() => this.#sendPart(entry, part));
        } catch (error) {
          waiting.length = 0;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(SENDERS, waiting.length) }, send));
  }

  async #sendPart(entry: Entry, number: number): Promise<void> {
    const { platform } = this.#core;
    const { signal } = entry.controller;
    for (let failures = 0; failures < PART_ATTEMPTS;) {
      await this.#online(entry);
      const result = await put(platform, {
        url: await this.#link(entry, number),
        body: slice(entry, number),
        headers: entry.record.headers ?? {},
        signal,
        progress: (sentBytes) => {
          entry.moving.set(number, sentBytes);
          this.#report.progress(entry);
        },
      });
      if (result.status >= 200 && result.status < 300) {
        entry.arrived.set(number, result.etag ?? "");
        entry.moving.delete(number);
        this.#report.progress(entry);
        return;
      }
      entry.moving.delete(number);
      if (result.status === 0 && !platform.isOnline()) continue;
      // A refused link is a link that has expired on the way.
      if (result.status === 403) entry.links.delete(number);
      failures += 1;
      await platform.sleep(jitterMs(platform, PART_BASE_MS, failures), signal);
    }
    throw offline("OFFLINE", new Error(`part ${number} does not arrive`));
  }

  async #online(entry: Entry): Promise<void> {
    const { platform } = this.#core;
    const { signal } = entry.controller;
    stopIfAborted(signal);
    if (platform.isOnline()) return;
    this.#report.status(entry, "paused");
    while (!platform.isOnline()) await platform.sleep(ONLINE_CHECK_MS, signal);
    this.#report.status(entry, "uploading");
  }

  async #link(entry: Entry, number: number): Promise<string> {
    for (let tries = 0; tries < SIGN_TRIES; tries += 1) {
      const link = entry.links.get(number);
      if (link && this.#isFresh(link)) return link.url;
      entry.signing ??= this.#sign(entry, number).finally(() => (entry.signing = undefined));
      await entry.signing;
    }
    throw new Error(`part ${number} has no link`);
  }

  #isFresh({ until }: { until: number }): boolean {
    return until - this.#core.platform.now() > LINK_MARGIN_MS;
  }

  /** Links for this part and the next ones that have none. */
  async #sign(entry: Entry, number: number): Promise<void> {
    const needed = missing(entry).filter((other) => {
      const link = entry.links.get(other);
      return other !== number && !(link && this.#isFresh(link));
    });
    const partNumbers = [number, ...needed].slice(0, SIGNED_AT_ONCE);
    const { data } = await this.#core.repeatable("/api/uploads/{assetId}/urls", {
      params: { path: { assetId: entry.record.assetId as string } },
      body: { partNumbers },
      signal: entry.controller.signal,
    });
    const until = Math.max(
      Date.parse(data.expiresAt),
      this.#core.platform.now() + 2 * LINK_MARGIN_MS, // A clock that is wrong must not sign forever.
    );
    for (const link of data.uploadUrls) entry.links.set(link.partNumber, { url: link.url, until });
  }

  /** Report that all parts have arrived; parts that the storage does not have are sent again. */
  async complete(entry: Entry): Promise<void> {
    const inParts = partsOf(entry) > 1;
    for (let round = 1; ; round += 1) {
      const etags = [...entry.arrived].map(([partNumber, etag]) => ({ partNumber, etag }));
      const known = etags.every(({ etag }) => etag !== "");
      try {
        await this.#core.repeatable("/api/uploads/complete", {
          body: { assetId: entry.record.assetId as string, ...(known && inParts ? { etags } : {}) },
          signal: entry.controller.signal,
        });
        return;
      } catch (error) {
        if (!hasCode(error, "UPLOAD_INCOMPLETE") || round >= COMPLETE_ROUNDS) throw error;
        const { missingParts } = error.facts;
        for (const number of missingParts ?? []) entry.arrived.delete(number);
        await this.sendParts(entry);
      }
    }
  }
}
