/** What the client takes from its surroundings: one place, so that tests and other runtimes replace it. */

/** The part of `EventSource` that the client uses. */
export interface EventStream {
  readonly readyState: number;
  addEventListener(type: "open" | "error" | "job", listener: (event: StreamMessage) => void): void;
  close(): void;
}

export interface StreamMessage {
  readonly data?: string;
  readonly lastEventId?: string;
}

/** The part of a tab's `document` that the client uses. */
export interface Visibility {
  readonly visibilityState: string;
  addEventListener(type: "visibilitychange", listener: () => void): void;
  removeEventListener(type: "visibilitychange", listener: () => void): void;
}

/** The part of `BroadcastChannel` that the client uses. */
export interface Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The part of `navigator.locks` that the client uses. */
export interface Locks {
  request<T>(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    held: (lock: unknown) => Promise<T>,
  ): Promise<T>;
}

export interface Platform {
  fetch(input: Request): Promise<Response>;
  now(): number;
  random(): number;
  uuid(): string;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** False only where the runtime is sure that there is no network. */
  isOnline(): boolean;
  openStream?: ((url: string) => EventStream) | undefined;
  openChannel?: ((name: string) => Channel) | undefined;
  locks?: Locks | undefined;
  visibility?: Visibility | undefined;
  XMLHttpRequest?: typeof XMLHttpRequest | undefined;
}

/** The runtime that this code is in. Everything is looked up when it is used. */
export function currentPlatform(): Platform {
  const nav = typeof navigator === "undefined" ? undefined : navigator;
  return {
    fetch: (input) => globalThis.fetch(input),
    now: () => Date.now(),
    random: () => Math.random(),
    uuid: randomUuid,
    sleep,
    isOnline: () => nav?.onLine !== false,
    openStream:
      typeof EventSource === "function" ? (url) => new EventSource(url) as EventStream : undefined,
    openChannel:
      typeof BroadcastChannel === "function" && typeof document === "object"
        ? (name) => new BroadcastChannel(name) as Channel
        : undefined,
    locks: (nav as { locks?: Locks } | undefined)?.locks,
    visibility:
      typeof document === "object" && "visibilityState" in document ? document : undefined,
    XMLHttpRequest: typeof XMLHttpRequest === "function" ? XMLHttpRequest : undefined,
  };
}

/** Why it was aborted. React Native's signals have no reason, and no `throwIfAborted`. */
export function reasonOf(signal: AbortSignal | null | undefined): unknown {
  return (
    signal?.reason ?? Object.assign(new Error("The operation was aborted."), { name: "AbortError" })
  );
}

export function stopIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}

/** Call a listener of the page. What it throws is the page's, and must not stop the client. */
export function callBack(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const abort = () => {
      clearTimeout(timer);
      reject(reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** `crypto.randomUUID` is missing in pages without https, and React Native has no `crypto` at all. */
function randomUuid(): string {
  const source = globalThis.crypto as Crypto | undefined;
  if (typeof source?.randomUUID === "function") return source.randomUUID();
  const bytes = new Uint8Array(16);
  if (typeof source?.getRandomValues === "function") source.getRandomValues(bytes);
  else bytes.forEach((_, place) => (bytes[place] = Math.floor(Math.random() * 256)));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * A controller that ends with its parent, and lets go of it in `release`.
 *
 * `AbortSignal.any` does the same, but not in React Native, nor in browsers before 2024.
 */
export function linkedController(
  parent?: AbortSignal | null,
): AbortController & { release(): void } {
  const controller = new AbortController();
  const end = () => controller.abort(parent?.reason);
  if (parent?.aborted) end();
  else parent?.addEventListener("abort", end, { once: true });
  return Object.assign(controller, { release: () => parent?.removeEventListener("abort", end) });
}

/** The account that a JSON Web Token is about; undefined if the token is of another kind. */
export function accountOf(token: string | null | undefined): string | undefined {
  try {
    const payload = (token ?? "").split(".")[1] ?? "";
    const claims: unknown = JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/")));
    const subject = (claims as { sub?: unknown }).sub;
    return typeof subject === "string" ? subject : undefined;
  } catch {
    return undefined;
  }
}
