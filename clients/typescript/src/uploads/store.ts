/** Where uploads are kept, so that they survive a reload. */

import type { LocalFile } from "./files.js";

/** An upload as it is kept. `file` is left out if it is too large and the browser has no handle of it. */
export interface UploadRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly lastModified: number;
  readonly fingerprint: string;
  /** The request that opens its session: repeated with the same key, it finds the same assets. */
  readonly session?: { readonly key: string; readonly place: number; readonly count: number };
  readonly assetId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly file?: Blob;
  readonly handle?: FileSystemFileHandle;
}

export interface UploadStore {
  all(): Promise<readonly UploadRecord[]>;
  put(records: readonly UploadRecord[]): Promise<void>;
  delete(ids: readonly string[]): Promise<void>;
}

/** Files up to this size are kept whole. */
const KEPT_FILE_BYTES = 50 * 1024 * 1024;

export function recordOf(id: string, file: LocalFile, hash: string): UploadRecord {
  const { name, type, size, lastModified, handle, blob } = file;
  return {
    ...{ id, name, type, size, lastModified, fingerprint: hash },
    ...(handle ? { handle } : size <= KEPT_FILE_BYTES ? { file: blob } : {}),
  };
}

export function memoryStore(): UploadStore {
  const records = new Map<string, UploadRecord>();
  return {
    all: async () => [...records.values()],
    put: async (changed) => changed.forEach((record) => records.set(record.id, record)),
    delete: async (ids) => ids.forEach((id) => records.delete(id)),
  };
}

/**
 * A store in the browser's IndexedDB.
 *
 * @param account Whose uploads these are: another account must not continue them. Delete the
 *   database `darkroom-uploads-<account>` when the account signs out.
 */
export function indexedDbStore(account: string): UploadStore {
  let opened: Promise<IDBDatabase> | undefined;
  const open = () => (opened ??= openDatabase(`darkroom-uploads-${account}`));
  const write = async (change: (store: IDBObjectStore) => void) => {
    const transaction = (await open()).transaction(RECORDS, "readwrite");
    change(transaction.objectStore(RECORDS));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  };
  return {
    all: async () => {
      const store = (await open()).transaction(RECORDS).objectStore(RECORDS);
      return result<UploadRecord[]>(store.getAll());
    },
    put: (records) => write((store) => records.forEach((record) => store.put(record))),
    delete: (ids) => write((store) => ids.forEach((id) => store.delete(id))),
  };
}

const RECORDS = "records";

async function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(RECORDS, { keyPath: "id" });
  return result<IDBDatabase>(request);
}

function result<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error);
  });
}
