/**
 * One tab works for all tabs of an account.
 *
 * A Web Lock elects it: a tab that someone looks at asks for the lock, and the others wait behind
 * it. A tab that is hidden for a minute gives the lock back, so when all are hidden nobody has it.
 * A closed or crashed tab loses it by itself. Without locks (React Native, Node) each client works
 * for itself.
 */

import type { Core } from "./client.js";
import { linkedController } from "./platform.js";
import type { Channel, Platform, Visibility } from "./platform.js";
import type { JobEvent, WatchState } from "./watch.js";

const HIDDEN_MS = 60_000;

export type TabMessage =
  | { readonly type: "job"; readonly event: JobEvent; readonly lastEventId?: string }
  | { readonly type: "state"; readonly state: WatchState }
  | { readonly type: "follow"; readonly jobIds: readonly string[] }
  /** A tab has opened: the leading one says what it knows. */
  | { readonly type: "hello" };

export interface Tab {
  readonly leads: boolean;
  send(message: TabMessage): void;
}

interface TabOptions {
  readonly signal: AbortSignal;
  /** Runs in one tab at a time, until the signal. */
  lead(signal: AbortSignal): Promise<void>;
  opened(tab: Tab): void;
  received(message: TabMessage): void;
  paused(): void;
}

export async function runInOneTab(core: Core, options: TabOptions): Promise<void> {
  const { platform } = core;
  const { signal } = options;
  const name = await nameOf(core);
  const channel = name === undefined ? undefined : platform.openChannel?.(name);
  const tab = { leads: false, send: (message: TabMessage) => channel?.postMessage(message) };
  try {
    if (signal.aborted) return;
    if (channel) listen(channel, options);
    options.opened(tab);
    while (!signal.aborted) {
      await whenVisible(platform.visibility, signal);
      const seen = whileSeen(platform, signal);
      tab.send({ type: "hello" });
      try {
        await hold(platform, channel && name, seen.signal, async () => {
          tab.leads = true;
          await options.lead(seen.signal);
        });
      } catch (error) {
        if (!seen.signal.aborted) throw error;
      } finally {
        tab.leads = false;
        seen.release();
      }
      if (!signal.aborted) options.paused();
    }
  } finally {
    channel?.close();
  }
}

/** Tabs of the same account at the same API share. An account that is not known shares with nobody. */
async function nameOf({ account, baseUrl }: Core): Promise<string | undefined> {
  const subject = await account();
  return subject === undefined ? undefined : `darkroom.jobs ${baseUrl} ${subject}`;
}

async function hold(
  platform: Platform,
  name: string | undefined,
  signal: AbortSignal,
  held: () => Promise<void>,
): Promise<void> {
  if (platform.locks === undefined || name === undefined) return held();
  await platform.locks.request(name, { signal }, held);
}

function listen(channel: Channel, { received }: TabOptions): void {
  channel.onmessage = ({ data }) => received(data as TabMessage);
}

function isHidden(visibility: Visibility | undefined): boolean {
  return visibility?.visibilityState === "hidden";
}

async function whenVisible(visibility: Visibility | undefined, signal: AbortSignal): Promise<void> {
  if (!visibility || !isHidden(visibility)) return;
  await new Promise<void>((resolve) => {
    const check = () => {
      if (isHidden(visibility) && !signal.aborted) return;
      visibility.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    visibility.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
  });
}

/** A signal that ends when the page has been hidden for a minute. */
function whileSeen({ visibility }: Platform, signal: AbortSignal) {
  const seen = linkedController(signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const check = () => {
    clearTimeout(timer);
    if (isHidden(visibility)) timer = setTimeout(() => seen.abort(new Error("hidden")), HIDDEN_MS);
  };
  visibility?.addEventListener("visibilitychange", check);
  return {
    signal: seen.signal,
    release: () => {
      clearTimeout(timer);
      visibility?.removeEventListener("visibilitychange", check);
      seen.release();
    },
  };
}
