/** When a call is repeated, and how long it waits before that. */

import { DarkroomError, Offline } from "./errors.js";
import type { Platform } from "./platform.js";

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  /** The first wait is between 0 and this; each further one may be twice as long. */
  readonly baseMs: number;
  /** A call that would take longer than this in all, with its waits, ends at once. */
  readonly totalMs: number;
  /** An attempt without a response for this long is given up: the gateway itself waits for 30 s. */
  readonly attemptMs: number;
  /** Whether calls with an action wait out a 429 too. False: only reads do, and a button counts down. */
  readonly actionsAwaitRateLimit: boolean;
}

export const RETRIES: RetryPolicy = {
  attempts: 4,
  baseMs: 300,
  totalMs: 60_000,
  attemptMs: 35_000,
  actionsAwaitRateLimit: true,
};

const REPEATED_STATUSES: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Whether a repeat of the same request may have another result. */
export function isTransient(error: DarkroomError): boolean {
  return (
    error instanceof Offline ||
    error.code === "BAD_RESPONSE" ||
    error.code === "IN_PROGRESS" ||
    REPEATED_STATUSES.has(error.status)
  );
}

/** Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
export function jitterMs(platform: Platform, baseMs: number, failures: number): number {
  return platform.random() * baseMs * 2 ** (failures - 1);
}

/**
 * Run attempts until one succeeds or a repeat cannot help.
 *
 * Never waits less than `Retry-After`. If that wait, or the next one, would end after `totalMs`,
 * the error is thrown at once; its `retryAfterMs` says when to try again.
 */
export async function repeatTransient<T>(
  platform: Platform,
  policy: RetryPolicy,
  run: (attempt: { readonly number: number; readonly leftMs: number }) => Promise<T>,
  {
    repeats,
    signal,
  }: { repeats: (error: DarkroomError) => boolean; signal?: AbortSignal | null | undefined },
): Promise<T> {
  const started = platform.now();
  for (let number = 1; ; number += 1) {
    const leftMs = started + policy.totalMs - platform.now();
    try {
      return await run({ number, leftMs });
    } catch (error) {
      if (!(error instanceof DarkroomError) || !isTransient(error)) throw error;
      if (!repeats(error) || number >= policy.attempts) throw error;
      const waitMs = Math.max(error.retryAfterMs ?? 0, jitterMs(platform, policy.baseMs, number));
      if (platform.now() + waitMs >= started + policy.totalMs) throw error;
      await platform.sleep(waitMs, signal ?? undefined);
    }
  }
}
