/** Uploads: files go straight to the storage, several at once, and survive a lost connection. */

import type { Core } from "../client.js";
import { UploadBatch } from "./batch.js";
import type { UploadOptions } from "./batch.js";
import type { UploadSource } from "./files.js";
import { Slots } from "./slots.js";
import type { UploadStore } from "./store.js";

/** Over all batches of a client. */
const FILES_AT_ONCE = 4;
const PARTS_AT_ONCE = 6;

export class Uploads {
  readonly #core: Core;
  readonly #slots = { files: new Slots(FILES_AT_ONCE), parts: new Slots(PARTS_AT_ONCE) };

  constructor(core: Core) {
    this.#core = core;
  }

  /** Start to send files. Their states come by `onChange` and are in `items`; `done` is their end. */
  start(files: Iterable<UploadSource>, options: UploadOptions = {}): UploadBatch {
    const batch = new UploadBatch(this.#core, this.#slots, options);
    batch.begin([...files]);
    return batch;
  }

  /** Go on with the uploads that a store has kept, for example after a reload. */
  async restore(options: UploadOptions & { readonly store: UploadStore }): Promise<UploadBatch> {
    const batch = new UploadBatch(this.#core, this.#slots, options);
    await batch.restore();
    return batch;
  }
}
