/** The event stream: an `EventSource` that is opened by a ticket. */

import type { Core } from "./client.js";
import { linkedController } from "./platform.js";
import type { EventStream, StreamMessage } from "./platform.js";
import type { JobEvent } from "./watch.js";

const CLOSED = 2;
/** The API ends each response at once, and EventSource comes back after two seconds. Silence for
 * this long means that it does not reach the API. */
const SILENT_MS = 30_000;
const CHECK_MS = 5_000;

export class StreamEnded extends Error {}

interface StreamOptions {
  readonly ticket: string;
  /** Of the last event that was received: a new EventSource does not know it. */
  readonly lastEventId: string | undefined;
  readonly signal: AbortSignal;
  live(): void;
  received(event: JobEvent, lastEventId: string | undefined): void;
}

/**
 * Receive events until the stream is closed or silent, which is an error.
 *
 * An `error` event alone means nothing: it also comes when a response has ended and EventSource is
 * about to return. Only `readyState === CLOSED` is the end: the ticket was refused.
 */
export async function openJobStream(
  core: Core,
  open: (url: string) => EventStream,
  { ticket, lastEventId, signal, live, received }: StreamOptions,
): Promise<never> {
  const { platform } = core;
  const query = new URLSearchParams({ ticket, ...(lastEventId ? { lastEventId } : {}) });
  const source = open(`${core.baseUrl}/api/jobs/stream?${query.toString()}`);
  const ended = linkedController(signal);
  let heardAt = platform.now();
  source.addEventListener("open", () => {
    heardAt = platform.now();
    live();
  });
  source.addEventListener("job", (message) => {
    heardAt = platform.now();
    const event = parse(message);
    if (event !== undefined) received(event, message.lastEventId);
  });
  source.addEventListener("error", () => {
    if (source.readyState === CLOSED) ended.abort(new StreamEnded("closed"));
  });
  try {
    for (;;) {
      await platform.sleep(CHECK_MS, ended.signal);
      if (platform.now() - heardAt > SILENT_MS) throw new StreamEnded("silent");
    }
  } finally {
    ended.release();
    source.close();
  }
}

function parse({ data }: StreamMessage): JobEvent | undefined {
  try {
    return JSON.parse(data ?? "") as JobEvent;
  } catch {
    return undefined;
  }
}
