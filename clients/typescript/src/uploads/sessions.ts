/** Open upload sessions: many files by one request, which can be repeated with its key. */

import { Action } from "../action.js";
import type { Core } from "../client.js";
import { DarkroomError, PlanLimit } from "../errors.js";
import { isTransient } from "../retry.js";
import type { Schemas } from "../types.js";

export const FILES_A_SESSION = 100;

export interface Declared {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly session?: { readonly key: string; readonly place: number; readonly count: number };
}

export type Session = Schemas["UploadSession"];

export interface SessionReceiver {
  /** Before the request is sent: keep the key. */
  opening(files: readonly Declared[], key: string): Promise<void>;
  opened(file: Declared, session: Session): void;
  refused(file: Declared, error: unknown): void;
  /** The plan allows no more uploads at once: resolves when a slot may be free; false if none will be. */
  slotFree(): Promise<boolean>;
}

/**
 * Open sessions for all files, and report each of them once.
 *
 * A request is refused as a whole. If it names the files at fault (`fields`), the others are opened
 * without them; otherwise each half is tried by itself.
 */
export async function openSessions(
  core: Core,
  files: readonly Declared[],
  receiver: SessionReceiver,
): Promise<void> {
  const { kept, fresh } = byRequest(files);
  for (const group of kept) await openGroup(core, group, receiver, group[0]?.session?.key);
  for (let start = 0; start < fresh.length; start += FILES_A_SESSION) {
    await openGroup(core, fresh.slice(start, start + FILES_A_SESSION), receiver);
  }
}

/** Files whose request was sent before the page went away are requested again exactly as they were. */
function byRequest(files: readonly Declared[]): { kept: Declared[][]; fresh: Declared[] } {
  const groups = new Map<string, Declared[]>();
  for (const file of files) {
    const key = file.session?.key ?? "";
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  const fresh = groups.get("") ?? [];
  groups.delete("");
  const kept: Declared[][] = [];
  for (const group of groups.values()) {
    if (group.length === group[0]?.session?.count) {
      kept.push(group.sort((a, b) => (a.session?.place ?? 0) - (b.session?.place ?? 0)));
    } else {
      fresh.push(...group);
    }
  }
  return { kept, fresh };
}

async function openGroup(
  core: Core,
  files: readonly Declared[],
  receiver: SessionReceiver,
  keptKey?: string,
): Promise<void> {
  if (files.length === 0) return;
  const again = (part: readonly Declared[]) => openGroup(core, part, receiver);
  const key = keptKey ?? core.platform.uuid();
  try {
    await receiver.opening(files, key);
    const sessions = await request(core, files, key);
    files.forEach((file, place) => {
      const session = sessions[place];
      if (session) receiver.opened(file, session);
    });
  } catch (error) {
    if (keptKey !== undefined && isDefinite(error)) {
      return again(files); // Its assets are gone, or its key is too old.
    }
    if (error instanceof PlanLimit && error.name === "concurrentUploads") {
      return openWithin(error, files, receiver, again);
    }
    const atFault = filesAtFault(error, files);
    if (atFault.size > 0) {
      for (const file of atFault) receiver.refused(file, error);
      return again(files.filter((file) => !atFault.has(file)));
    }
    if (files.length === 1 || !isAboutFiles(error)) {
      for (const file of files) receiver.refused(file, error);
      return;
    }
    const half = Math.ceil(files.length / 2);
    await again(files.slice(0, half));
    await again(files.slice(half));
  }
}

/** Open as many as the plan allows now, and the others when uploads have ended. */
async function openWithin(
  limit: PlanLimit,
  files: readonly Declared[],
  receiver: SessionReceiver,
  again: (files: readonly Declared[]) => Promise<void>,
): Promise<void> {
  const free = Math.min(limit.limit - limit.used, files.length - 1);
  if (free > 0) {
    await again(files.slice(0, free));
    return again(files.slice(free));
  }
  if (await receiver.slotFree()) return again(files);
  for (const file of files) receiver.refused(file, limit);
}

async function request(
  core: Core,
  files: readonly Declared[],
  key: string,
): Promise<readonly Session[]> {
  const { data } = await core.dr.POST("/api/uploads/session", {
    body: {
      files: files.map(({ name, size, type }) => ({
        filename: name,
        sizeBytes: size,
        mimeType: type,
      })),
    },
    action: new Action(key),
  });
  return "sessions" in data ? data.sessions : [data];
}

function filesAtFault(error: unknown, files: readonly Declared[]): ReadonlySet<Declared> {
  const found = new Set<Declared>();
  if (!(error instanceof DarkroomError)) return found;
  for (const { path } of error.fields) {
    const place = /^files\.(\d+)\b/.exec(path)?.[1];
    const file = place === undefined ? undefined : files[Number(place)];
    if (file) found.add(file);
  }
  return found;
}

function isDefinite(error: unknown): boolean {
  return error instanceof DarkroomError && !isTransient(error) && error.status < 500;
}

/** Whether fewer files could be accepted: too large, of an unknown type, more than the storage holds. */
function isAboutFiles(error: unknown): boolean {
  return (
    error instanceof DarkroomError &&
    (error instanceof PlanLimit || [400, 413, 415].includes(error.status))
  );
}
