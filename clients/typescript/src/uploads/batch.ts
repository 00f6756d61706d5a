/** One batch of uploads: each file from waiting to checked, with pause, retry and abort. */

import type { Core } from "../client.js";
import { DarkroomError } from "../errors.js";
import type { NotFound } from "../errors.js";
import { callBack, stopIfAborted } from "../platform.js";
import type { Schemas } from "../types.js";
import { awaitChecks } from "./checks.js";
import { fileOf, itemOf, newEntry, partsOf, restart, SETTLED, sizeOf } from "./entry.js";
import type { Entry, UploadItem, UploadStatus } from "./entry.js";
import { fingerprint, localFile } from "./files.js";
import type { LocalFile, UploadSource } from "./files.js";
import { Sender } from "./sender.js";
import { openSessions } from "./sessions.js";
import type { Declared, Session } from "./sessions.js";
import type { Slots } from "./slots.js";
import { recordOf } from "./store.js";
import type { UploadRecord, UploadStore } from "./store.js";

export interface UploadOptions {
  /** Where uploads are kept over a reload; without one they are not. */
  readonly store?: UploadStore;
  onChange?(item: UploadItem): void;
}

/** More single PUTs than this are completed by the storage's own events: a hundred calls would use
 * up the writes of a minute. */
const COMPLETED_SINGLES = 20;
const PROGRESS_MS = 100;

export class UploadBatch {
  readonly #core: Core;
  readonly #slots: { readonly files: Slots; readonly parts: Slots };
  readonly #options: UploadOptions;
  readonly #sender: Sender;
  readonly #entries = new Map<string, Entry>();
  #waiters: (() => void)[] = [];
  #checking = false;

  constructor(core: Core, slots: { files: Slots; parts: Slots }, options: UploadOptions) {
    this.#core = core;
    this.#slots = slots;
    this.#options = options;
    this.#sender = new Sender(core, slots.parts, {
      status: (entry, status) => this.#set(entry, status),
      progress: (entry) => this.#progress(entry),
    });
  }

  get items(): readonly UploadItem[] {
    return [...this.#entries.values()].map(itemOf);
  }

  /** All items, once each of them is uploaded and checked, failed, or aborted. */
  get done(): Promise<readonly UploadItem[]> {
    return this.#when(() =>
      [...this.#entries.values()].every((entry) => SETTLED.has(entry.status)),
    ).then(() => this.items);
  }

  /** Stop sending one file or all; what has arrived stays. */
  pause(id?: string): void {
    for (const entry of this.#chosen(id)) {
      if (entry.status !== "waiting" && entry.status !== "uploading") continue;
      entry.controller.abort();
      this.#set(entry, "paused");
    }
  }

  /** Go on with one paused file or all. */
  resume(id?: string): void {
    this.#again(this.#chosen(id).filter((entry) => entry.status === "paused"));
  }

  /** Try a failed file again. What has arrived of it is not sent twice, unless its check failed. */
  retry(id: string): void {
    this.#again(this.#chosen(id).filter((entry) => entry.status === "failed"));
  }

  /** Give a file up, and delete what has arrived of it. */
  async abort(id: string): Promise<void> {
    for (const entry of this.#chosen(id)) {
      if (entry.status === "uploaded" || entry.status === "aborted") continue;
      entry.controller.abort();
      this.#set(entry, "aborted");
      await this.#forget(entry);
      const { assetId } = entry.record;
      if (assetId !== undefined) await this.#giveUp(assetId);
    }
  }

  async #giveUp(assetId: string): Promise<void> {
    try {
      await this.#core.dr.DELETE("/api/uploads/{assetId}", { params: { path: { assetId } } });
    } catch (error) {
      if (!(error instanceof DarkroomError) || ![404, 409].includes(error.status)) throw error;
    }
  }

  /** The file of an item that needs it. False if it is another file: nothing is sent then. */
  async provide(id: string, source: UploadSource): Promise<boolean> {
    const entry = this.#entries.get(id);
    const file = localFile(source);
    if (entry?.status !== "needs-file" || file.size !== entry.record.size) return false;
    if (file.name !== entry.record.name) return false;
    if ((await fingerprint(file.blob)) !== entry.record.fingerprint) return false;
    entry.file = file;
    this.#again([entry]);
    return true;
  }

  /** @internal */
  async begin(sources: readonly UploadSource[]): Promise<void> {
    const entries = sources.map((source) => {
      const file = localFile(source);
      return this.#add(recordOf(this.#core.platform.uuid(), file, ""), file);
    });
    const { store } = this.#options;
    if (store !== undefined) {
      for (const entry of entries) await this.#guard(entry, () => this.#identify(entry));
      await this.#save(entries);
      await Promise.all(entries.map((entry) => this.#lock(entry, false)));
    }
    await this.#run(entries.filter(({ status }) => status === "waiting"));
  }

  async #identify(entry: Entry): Promise<void> {
    const hash = await fingerprint((entry.file as LocalFile).blob);
    entry.record = { ...entry.record, fingerprint: hash };
  }

  /** @internal Continue what the store has, except what another tab is sending. */
  async restore(): Promise<void> {
    const records = (await this.#options.store?.all()) ?? [];
    const entries: Entry[] = [];
    for (const record of records) {
      const entry = this.#add(record, await fileOf(record), false);
      if (await this.#lock(entry, true)) entries.push(entry);
      else this.#entries.delete(record.id);
    }
    for (const entry of entries) this.#tell(entry);
    void this.#run(entries);
  }

  #chosen(id?: string): Entry[] {
    return [...this.#entries.values()].filter(
      (entry) => id === undefined || entry.record.id === id,
    );
  }

  #add(record: UploadRecord, file: LocalFile | undefined, tell = true): Entry {
    const entry = newEntry(record, file);
    this.#entries.set(record.id, entry);
    if (tell) this.#tell(entry);
    return entry;
  }

  #again(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // What its check refused starts from the beginning; its storage was freed.
      const isGone = ["UPLOAD_CLOSED", "NOT_FOUND"].includes(entry.error?.code ?? "");
      if (entry.asset?.status === "failed" || isGone) restart(entry);
      delete entry.error;
      entry.controller = new AbortController();
      this.#set(entry, "waiting");
    }
    void this.#run(entries);
  }

  /** Bring files to the storage. Each file reports its own failure; this never rejects. */
  async #run(entries: readonly Entry[]): Promise<void> {
    const opened = entries.filter((entry) => entry.record.assetId !== undefined);
    const unopened = entries.filter(({ record, opening }) => !record.assetId && !opening);
    await Promise.all([
      ...opened.map((entry) => this.#guard(entry, () => this.#continue(entry))),
      this.#open(unopened),
    ]);
  }

  async #open(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    for (const entry of entries) entry.opening = true;
    const sending: Promise<void>[] = [];
    const entryOf = (file: Declared) => this.#entries.get(file.id) as Entry;
    const files = entries.map(({ record }) => ({ ...record }));
    try {
      await openSessions(this.#core, files, {
        opening: (group, key) => this.#keep(group.map(entryOf), key),
        opened: (file, session) => {
          const entry = entryOf(file);
          entry.opening = false;
          this.#accept(entry, session);
          sending.push(this.#guard(entry, () => this.#begun(entry, session.assetId)));
        },
        refused: (file, error) => {
          entryOf(file).opening = false;
          this.#fail(entryOf(file), error);
        },
        slotFree: () => this.#slotFree(),
      });
    } catch (error) {
      for (const entry of entries) if (!entry.record.assetId) this.#fail(entry, error);
    }
    await Promise.all(sending);
  }

  /** Its session is open. The user may have given it up meanwhile. */
  async #begun(entry: Entry, assetId: string): Promise<void> {
    if (entry.status === "aborted") await this.#giveUp(assetId);
    else if (entry.status === "waiting") await this.#send(entry);
  }

  /** The key is kept before it is used: a repeat finds sessions whose response was lost. */
  async #keep(entries: readonly Entry[], key: string): Promise<void> {
    entries.forEach((entry, place) => {
      entry.record = { ...entry.record, session: { key, place, count: entries.length } };
    });
    await this.#save(entries);
  }

  /** A store that is full or forbidden costs the restart after a reload, not the upload. */
  async #save(entries: readonly Entry[]): Promise<void> {
    try {
      await this.#options.store?.put(entries.map((entry) => entry.record));
    } catch {
      return;
    }
  }

  #accept(entry: Entry, session: Session): void {
    const { assetId, headers, partSize, uploadUrls, expiresAt } = session;
    entry.record = { ...entry.record, assetId, headers };
    entry.partSize = partSize;
    const until = Date.parse(expiresAt);
    for (const { partNumber, url } of uploadUrls) entry.links.set(partNumber, { url, until });
    void this.#save([entry]);
  }

  /** Ask which parts have arrived, and send the others. */
  async #continue(entry: Entry): Promise<void> {
    const assetId = entry.record.assetId as string;
    const signal = entry.controller.signal;
    const { data } = await this.#slots.parts.run(() =>
      this.#core.dr.GET("/api/uploads/{assetId}", { params: { path: { assetId } }, signal }),
    );
    if (data.status !== "uploading") return this.#awaitCheck(entry);
    entry.partSize = data.partSize;
    for (const part of data.parts) {
      if (part.sizeBytes === sizeOf(entry, part.partNumber)) {
        entry.arrived.set(part.partNumber, part.etag);
      }
    }
    if (entry.file === undefined) return this.#set(entry, "needs-file");
    await this.#send(entry);
  }

  async #send(entry: Entry): Promise<void> {
    if (entry.file === undefined) return this.#set(entry, "needs-file");
    const { signal } = entry.controller;
    await this.#slots.files.run(async () => {
      stopIfAborted(signal);
      this.#set(entry, "uploading");
      await this.#sender.sendParts(entry);
      if (this.#isCompletedHere(entry)) await this.#sender.complete(entry);
    });
    this.#awaitCheck(entry);
  }

  #isCompletedHere(entry: Entry): boolean {
    const singles = [...this.#entries.values()].filter((other) => partsOf(other) === 1);
    return partsOf(entry) > 1 || singles.length <= COMPLETED_SINGLES;
  }

  #awaitCheck(entry: Entry): void {
    this.#set(entry, "checking");
    if (this.#checking) return;
    this.#checking = true;
    const checking = () =>
      [...this.#entries.values()].flatMap(({ status, record }) =>
        status === "checking" && record.assetId !== undefined ? [record.assetId] : [],
      );
    awaitChecks(this.#core, checking, (result) => this.#checked(result))
      .catch((error: unknown) => {
        for (const left of this.#chosen()) if (left.status === "checking") this.#fail(left, error);
      })
      .finally(() => (this.#checking = false));
  }

  #checked(
    result: Schemas["AssetResponse"] | { readonly assetId: string; readonly error: NotFound },
  ): void {
    const entry = this.#chosen().find(({ record }) => record.assetId === result.assetId);
    if (entry?.status !== "checking") return;
    void this.#forget(entry);
    if ("error" in result) return this.#fail(entry, result.error);
    entry.asset = result;
    if (result.status === "uploaded") return this.#set(entry, "uploaded");
    this.#fail(entry, { code: result.errorCode ?? "", message: result.errorMessage ?? "" });
  }

  /** Whether this tab has the upload. Another tab that restores the same store leaves it alone. */
  async #lock(entry: Entry, ifAvailable: boolean): Promise<boolean> {
    const { locks } = this.#core.platform;
    if (locks === undefined) return true;
    return new Promise<boolean>((resolve, reject) => {
      const name = `darkroom.upload ${entry.record.id}`;
      const held = (lock: unknown) => {
        resolve(lock !== null);
        return lock === null
          ? Promise.resolve()
          : new Promise<void>((end) => (entry.release = end));
      };
      locks.request(name, ifAvailable ? { ifAvailable } : {}, held).catch(reject);
    });
  }

  async #guard(entry: Entry, work: () => Promise<void>): Promise<void> {
    const { signal } = entry.controller;
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) this.#fail(entry, error);
    }
  }

  #fail(entry: Entry, error: unknown): void {
    if (entry.status === "aborted" || entry.status === "paused") return;
    entry.error = error as { code: string; message: string };
    this.#set(entry, "failed");
  }

  /** Whether one of our uploads has ended, so that the plan may allow another one. */
  async #slotFree(): Promise<boolean> {
    const count = () =>
      this.#chosen().filter(({ record, status }) => record.assetId && !SETTLED.has(status)).length;
    const before = count();
    if (before === 0) return false;
    await this.#when(() => count() < before);
    return true;
  }

  async #when(ready: () => boolean): Promise<void> {
    while (!ready()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  async #forget(entry: Entry): Promise<void> {
    await this.#options.store?.delete([entry.record.id]);
  }

  #progress(entry: Entry): void {
    if (this.#core.platform.now() - entry.toldAt >= PROGRESS_MS) this.#tell(entry);
  }

  #set(entry: Entry, status: UploadStatus): void {
    if (entry.status === status) return;
    entry.status = status;
    if (SETTLED.has(status)) entry.release();
    this.#tell(entry);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #tell(entry: Entry): void {
    entry.toldAt = this.#core.platform.now();
    callBack(() => this.#options.onChange?.(itemOf(entry)));
  }
}
