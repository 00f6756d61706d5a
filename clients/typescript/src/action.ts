/**
 * An action is one press of a button: all its requests carry one `Idempotency-Key`, so that it
 * happens once, also over lost responses, double clicks and reloads.
 */

import { DarkroomError } from "./errors.js";
import { isTransient } from "./retry.js";

/** `sessionStorage`, or React Native's `AsyncStorage`. */
export interface ActionStorage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
  removeItem(key: string): void | Promise<void>;
}

export interface ActionOptions {
  /** Continues an earlier action. */
  readonly key?: string;
  /** With `storage`: the place under which the request is kept until its response is known. */
  readonly name?: string;
  readonly storage?: ActionStorage;
}

/** A request as it is kept: enough to send it again exactly. */
export interface KeptRequest {
  readonly key: string;
  readonly startedAt: number;
  readonly account?: string;
  readonly method: string;
  readonly path: string;
  readonly init: Readonly<Record<string, unknown>>;
}

/** A kept request is repeated after a reload for this long. Later its user may have forgotten it. */
export const KEPT_MS = 600_000;

export class Action {
  readonly key: string;
  readonly #place: { storage: ActionStorage; at: string } | undefined;

  constructor(key: string, options: ActionOptions = {}) {
    this.key = key;
    if (options.storage !== undefined) {
      this.#place = { storage: options.storage, at: placeOf(options.name) };
    }
  }

  /** @internal Keep the request before it is sent. */
  async begin(request: (key: string) => Promise<KeptRequest>): Promise<void> {
    if (this.#place === undefined) return;
    const kept = JSON.stringify(await request(this.key));
    try {
      await this.#place.storage.setItem(this.#place.at, kept);
    } catch {
      return; // A full or forbidden storage costs the repeat after a reload, not the action.
    }
  }

  /** @internal Forget the request if this result is definite: a success, or an error that stays. */
  async end(error?: unknown): Promise<void> {
    if (error !== undefined && !isDefinite(error)) return;
    await this.#place?.storage.removeItem(this.#place.at);
  }
}

/** The request that was kept under this name; null if there is none, or it is too old, or another account's. */
export async function findKept(
  storage: ActionStorage,
  name: string | undefined,
  { account, now }: { account: string | undefined; now: number },
): Promise<KeptRequest | null> {
  const at = placeOf(name);
  const text = await storage.getItem(at);
  if (text === null) return null;
  const kept = parse(text);
  const old = kept !== undefined && Math.abs(now - kept.startedAt) > KEPT_MS;
  if (kept === undefined || old || kept.account !== account) {
    await storage.removeItem(at);
    return null;
  }
  return kept;
}

/** A status of 5xx, no response, 429 and IN_PROGRESS leave it open whether the action happened. */
function isDefinite(error: unknown): boolean {
  if (!(error instanceof DarkroomError)) return false;
  return !isTransient(error) && error.status >= 400 && error.status < 500;
}

function placeOf(name = "action"): string {
  return `darkroom.action.${name}`;
}

function parse(text: string): KeptRequest | undefined {
  try {
    const kept = JSON.parse(text) as KeptRequest;
    return typeof kept.key === "string" && typeof kept.path === "string" ? kept : undefined;
  } catch {
    return undefined;
  }
}
