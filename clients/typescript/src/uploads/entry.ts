/** One file of a batch: what is known of it, and what follows from that. */

import type { Schemas } from "../types.js";
import type { LocalFile } from "./files.js";
import type { UploadRecord } from "./store.js";

/** `needs-file`: after a reload, the file itself is not at hand: choose it again (`provide`). */
export type UploadStatus =
  | "waiting"
  | "uploading"
  | "paused"
  | "needs-file"
  | "checking"
  | "uploaded"
  | "failed"
  | "aborted";

export interface UploadItem {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly status: UploadStatus;
  readonly sentBytes: number;
  readonly assetId?: string;
  /** Once it was checked: usable if `uploaded`, with `errorCode` if `failed`. */
  readonly asset?: Schemas["AssetResponse"];
  /** Why it failed: the error of a call, or `{code, message}` of the check. */
  readonly error?: { readonly code: string; readonly message: string };
}

export interface Entry {
  record: UploadRecord;
  file: LocalFile | undefined;
  status: UploadStatus;
  partSize: number;
  /** The parts that have arrived, with the ETags that the storage gave (empty if a page may not read it). */
  readonly arrived: Map<number, string>;
  readonly moving: Map<number, number>;
  readonly links: Map<number, { url: string; until: number }>;
  signing: Promise<void> | undefined;
  /** The request for its session is under way. */
  opening: boolean;
  controller: AbortController;
  asset?: Schemas["AssetResponse"];
  error?: { readonly code: string; readonly message: string };
  toldAt: number;
  release: () => void;
}

export const SETTLED: ReadonlySet<UploadStatus> = new Set(["uploaded", "failed", "aborted"]);

export function newEntry(record: UploadRecord, file: LocalFile | undefined): Entry {
  return {
    record,
    file,
    status: "waiting",
    partSize: record.size,
    arrived: new Map(),
    moving: new Map(),
    links: new Map(),
    signing: undefined,
    opening: false,
    controller: new AbortController(),
    toldAt: 0,
    release: () => undefined,
  };
}

/** Forget its asset: it is sent from the beginning. */
export function restart(entry: Entry): void {
  const { assetId: _, session: __, headers: ___, ...record } = entry.record;
  entry.record = record;
  entry.arrived.clear();
  entry.links.clear();
  delete entry.asset;
}

/** The file itself, if the record or the browser still has it. */
export async function fileOf(record: UploadRecord): Promise<LocalFile | undefined> {
  const { name, type, size, lastModified, file, handle } = record;
  if (file) return { name, type, size, lastModified, blob: file };
  try {
    const opened = await handle?.getFile(); // Refused without a permission from this visit.
    if (opened?.size !== size || opened.lastModified !== lastModified) return undefined;
    return { name, type, size, lastModified, blob: opened };
  } catch {
    return undefined;
  }
}

export function partsOf({ record, partSize }: Entry): number {
  return Math.max(1, Math.ceil(record.size / partSize));
}

export function missing(entry: Entry): number[] {
  const all = Array.from({ length: partsOf(entry) }, (_, place) => place + 1);
  return all.filter((number) => !entry.arrived.has(number));
}

export function sizeOf({ record, partSize }: Entry, number: number): number {
  return Math.min(partSize, record.size - (number - 1) * partSize);
}

export function slice(entry: Entry, number: number): Blob {
  const start = (number - 1) * entry.partSize;
  return (entry.file as LocalFile).blob.slice(start, start + sizeOf(entry, number));
}

export function itemOf(entry: Entry): UploadItem {
  const { id, name, size, assetId } = entry.record;
  let sentBytes = 0;
  for (const number of entry.arrived.keys()) sentBytes += sizeOf(entry, number);
  for (const moved of entry.moving.values()) sentBytes += moved;
  return {
    ...{ id, name, size, status: entry.status },
    sentBytes: Math.min(size, sentBytes),
    ...(assetId === undefined ? {} : { assetId }),
    ...(entry.asset === undefined ? {} : { asset: entry.asset }),
    ...(entry.error === undefined ? {} : { error: entry.error }),
  };
}
