/** PUTs to the storage: with progress where there is XMLHttpRequest, else with fetch. */

import { linkedController, reasonOf } from "../platform.js";
import type { Platform } from "../platform.js";

/** A PUT that moves no byte for this long is given up and sent again. */
const STALLED_MS = 60_000;

export interface Put {
  readonly url: string;
  readonly body: Blob;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  progress(sentBytes: number): void;
}

/** `status` 0: the storage was not reached, or stopped answering. */
export interface PutResult {
  readonly status: number;
  readonly etag?: string;
}

export function put(platform: Platform, request: Put): Promise<PutResult> {
  return platform.XMLHttpRequest === undefined
    ? putByFetch(platform, request)
    : putByXhr(platform.XMLHttpRequest, request);
}

function putByXhr(
  Xhr: NonNullable<Platform["XMLHttpRequest"]>,
  { url, body, headers, signal, progress }: Put,
): Promise<PutResult> {
  return new Promise((resolve, reject) => {
    const xhr = new Xhr();
    let stalled: ReturnType<typeof setTimeout>;
    const wait = () => {
      clearTimeout(stalled);
      stalled = setTimeout(() => xhr.abort(), STALLED_MS);
    };
    const cancel = () => xhr.abort();
    const end = (status: number) => {
      clearTimeout(stalled);
      signal.removeEventListener("abort", cancel);
      if (signal.aborted) reject(reasonOf(signal));
      else resolve(resultOf(status, status === 0 ? null : xhr.getResponseHeader("ETag")));
    };
    xhr.upload.onprogress = (event) => {
      wait();
      progress(event.loaded);
    };
    xhr.onload = () => end(xhr.status);
    xhr.onerror = xhr.onabort = () => end(0);
    if (signal.aborted) {
      reject(reasonOf(signal));
      return;
    }
    signal.addEventListener("abort", cancel, { once: true });
    xhr.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    wait();
    xhr.send(body);
  });
}

/** Without progress there is no sign of a stall, so a slow part may take as long as its link lives. */
async function putByFetch(
  platform: Platform,
  { url, body, headers, signal, progress }: Put,
): Promise<PutResult> {
  const linked = linkedController(signal);
  try {
    const request = new Request(url, { method: "PUT", body, headers, signal: linked.signal });
    const response = await platform.fetch(request);
    if (response.ok) progress(body.size);
    return resultOf(response.status, response.headers.get("ETag"));
  } catch (error) {
    if (signal.aborted) throw reasonOf(signal);
    if (error instanceof TypeError) return { status: 0 };
    throw error;
  } finally {
    linked.release();
  }
}

function resultOf(status: number, etag: string | null): PutResult {
  return etag === null ? { status } : { status, etag };
}
