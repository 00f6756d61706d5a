/** Uploads arrive once, whatever happens on the way. */

import type { Darkroom, UploadBatch, UploadItem } from "@darkroom/client";
import { indexedDbStore, memoryStore } from "@darkroom/client";
import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { darkroom, failure, FakeApi, FakeBrowser, json, lost } from "./support.js";

const PART = 1_000;
const CUT_ABOVE = 2_500;
const HOUR_MS = 3_600_000;
const TURNS_LIMIT = 5_000;

interface Held {
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly parts: Map<number, string>;
  status: string;
}

/** The upload routes and the storage, as the real ones behave. */
class FakeStorage {
  readonly assets = new Map<string, Held>();
  readonly api = new FakeApi();
  readonly puts: string[] = [];
  readonly completes: { assetId: string; etags?: { partNumber: number; etag: string }[] }[] = [];
  atOnce = 0;
  mostAtOnce = 0;
  concurrent = 100;
  /** How the storage answers a PUT; the default keeps the part. */
  answer: (assetId: string, part: number, times: number) => Response | Error | undefined = () =>
    undefined;
  readonly #sessions = new Map<string, object>();
  readonly #times = new Map<string, number>();

  constructor() {
    const { api } = this;
    api.on("POST /api/uploads/session", (request) => this.#open(request));
    api.on("GET /api/uploads/{id}", (request) => this.#inspect(idOf(request)));
    api.on("POST /api/uploads/{id}/urls", async (request) => {
      const { partNumbers } = (await request.json()) as { partNumbers: number[] };
      return json({
        uploadUrls: partNumbers.map((n) => link(idOf(request, 2), n)),
        expiresAt: soon(),
      });
    });
    api.on("POST /api/uploads/complete", (request) => this.#complete(request));
    api.on("DELETE /api/uploads/{id}", new Response(null, { status: 204 }));
    api.on("GET /api/assets", () =>
      json({ items: [...this.assets.keys()].map((id) => this.#asset(id)), nextCursor: null }),
    );
    api.on("GET /api/assets/{id}", (request) => json(this.#asset(idOf(request))));
    api.on("PUT /{asset}/{part}", (request) => this.#put(request));
  }

  async #open(request: Request): Promise<Response> {
    const key = request.headers.get("Idempotency-Key") ?? "";
    const body = (await request.json()) as {
      files: { filename: string; sizeBytes: number; mimeType: string }[];
    };
    const used = [...this.assets.values()].filter(({ status }) =>
      ["uploading", "checking"].includes(status),
    ).length;
    const known = this.#sessions.get(key);
    if (known) return json(known, 201, { "Idempotent-Replayed": "true" });
    if (used + body.files.length > this.concurrent) {
      const facts = {
        name: "concurrentUploads",
        limit: this.concurrent,
        used,
        plan: "free",
        upgradeTo: "basic",
      };
      return failure(403, "PLAN_LIMIT", facts);
    }
    const bad = body.files.findIndex(({ filename }) => filename.endsWith(".exe"));
    if (bad >= 0) {
      return failure(415, "UNSUPPORTED_TYPE", {
        fields: [{ path: `files.${bad}.mimeType`, code: "X", message: "" }],
      });
    }
    if (body.files.some(({ filename }) => filename === "huge.jpg"))
      return failure(413, "FILE_TOO_LARGE");
    const sessions = body.files.map(({ filename, sizeBytes, mimeType }) => {
      const assetId = `ast_${this.assets.size + 1}`;
      this.assets.set(assetId, {
        name: filename,
        size: sizeBytes,
        type: mimeType,
        parts: new Map(),
        status: "uploading",
      });
      const cut = sizeBytes > CUT_ABOVE;
      return {
        assetId,
        uploadUrls: [link(assetId, 1)],
        partSize: cut ? PART : sizeBytes,
        headers: cut ? {} : { "Content-Type": mimeType },
        expiresAt: soon(),
      };
    });
    this.#sessions.set(key, { sessions });
    return json({ sessions }, 201);
  }

  async #put(request: Request): Promise<Response | Error> {
    const { pathname } = new URL(request.url);
    const [, assetId = "", part = ""] = pathname.split("/");
    const held = this.assets.get(assetId) as Held;
    this.puts.push(`${assetId}/${part}`);
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    try {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const times = (this.#times.get(pathname) ?? 0) + 1;
      this.#times.set(pathname, times);
      const answer = this.answer(assetId, Number(part), times);
      if (answer) return answer;
      held.parts.set(Number(part), await request.text());
      if (held.size <= CUT_ABOVE) setTimeout(() => this.#check(assetId), 500);
      return new Response(null, { headers: { ETag: `"${assetId}-${part}"` } });
    } finally {
      this.atOnce -= 1;
    }
  }

  #inspect(assetId: string): Response {
    const held = this.assets.get(assetId);
    if (held === undefined) return failure(404, "NOT_FOUND");
    const parts = [...held.parts].map(([partNumber, text]) => ({
      partNumber,
      sizeBytes: text.length,
      etag: `"${assetId}-${partNumber}"`,
    }));
    return json({
      assetId,
      status: held.status,
      partSize: held.size > CUT_ABOVE ? PART : held.size,
      parts,
    });
  }

  async #complete(request: Request): Promise<Response> {
    const body = (await request.json()) as (typeof this.completes)[number];
    this.completes.push(body);
    const held = this.assets.get(body.assetId) as Held;
    const count = held.size > CUT_ABOVE ? Math.ceil(held.size / PART) : 1;
    const missingParts = Array.from({ length: count }, (_, n) => n + 1).filter(
      (n) => !held.parts.has(n),
    );
    if (missingParts.length > 0) return failure(409, "UPLOAD_INCOMPLETE", { missingParts });
    this.#check(body.assetId);
    return json({ asset: this.#asset(body.assetId) });
  }

  #check(assetId: string): void {
    const held = this.assets.get(assetId) as Held;
    if (held.status !== "uploading") return;
    held.status = "checking";
    setTimeout(() => (held.status = held.name.startsWith("bad") ? "failed" : "uploaded"), 1_000);
  }

  #asset(assetId: string) {
    const held = this.assets.get(assetId);
    const failed =
      held?.status === "failed" ? { errorCode: "CORRUPT_FILE", errorMessage: "Broken." } : {};
    return { assetId, filename: held?.name, status: held?.status, ...failed };
  }

  content(assetId: string): string {
    const parts = [...(this.assets.get(assetId)?.parts ?? [])].sort(([a], [b]) => a - b);
    return parts.map(([, text]) => text).join("");
  }
}

function idOf(request: Request, fromEnd = 1): string {
  return new URL(request.url).pathname.split("/").at(-fromEnd) ?? "";
}

function link(assetId: string, partNumber: number) {
  return { partNumber, url: `https://storage.example/${assetId}/${partNumber}` };
}

const soon = () => new Date(Date.now() + HOUR_MS).toISOString();

function file(name: string, size = 20, type = "image/jpeg"): File {
  return new File([Array.from({ length: size }, (_, n) => String((n * 7) % 10)).join("")], name, {
    type,
  });
}

let storage: FakeStorage;
let online: boolean;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"],
  });
  storage = new FakeStorage();
  online = true;
});

afterEach(() => {
  vi.useRealTimers();
});

const page = (platform = {}): Darkroom =>
  darkroom(storage.api, {
    platform: { isOnline: () => online, XMLHttpRequest: undefined, locks: undefined, ...platform },
  });

/** Let time pass until it holds; promises of Blobs settle in real turns between. */
async function until(ready: () => boolean, stepMs = 50): Promise<void> {
  for (let turns = 0; turns < TURNS_LIMIT; turns += 1) {
    if (ready()) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(stepMs);
  }
  throw new Error("it did not happen in time");
}

async function finished(batch: UploadBatch): Promise<readonly UploadItem[]> {
  let items: readonly UploadItem[] | undefined;
  batch.done.then((done) => (items = done));
  await until(() => items !== undefined, 200);
  return items as readonly UploadItem[];
}

const statuses = (batch: UploadBatch) => batch.items.map(({ status }) => status);

describe("a file", () => {
  test("is sent by one PUT with the session's headers, completed and checked", async () => {
    const seen: string[] = [];

    const batch = page().uploads.start([file("a.jpg")], {
      onChange: ({ status }) => seen.push(status),
    });
    const [item] = await finished(batch);

    expect(item).toMatchObject({
      name: "a.jpg",
      status: "uploaded",
      sentBytes: 20,
      assetId: "ast_1",
      asset: { status: "uploaded" },
    });
    expect([...new Set(seen)]).toEqual(["waiting", "uploading", "checking", "uploaded"]);
    expect(storage.content("ast_1")).toBe(await file("a.jpg").text());
    const put = storage.api.requests.find(({ method }) => method === "PUT");
    expect(put?.headers.get("Content-Type")).toBe("image/jpeg");
    expect(put?.headers.get("Authorization")).toBeNull();
    expect(storage.completes).toEqual([{ assetId: "ast_1" }]);
  });

  test("that is large is sent in parts, and completed once with their ETags", async () => {
    const batch = page().uploads.start([file("a.mp4", 3_500, "video/mp4")]);
    await finished(batch);

    expect(storage.puts.sort()).toEqual(["ast_1/1", "ast_1/2", "ast_1/3", "ast_1/4"]);
    expect(storage.content("ast_1")).toBe(await file("a.mp4", 3_500).text());
    expect(storage.completes).toHaveLength(1);
    expect(storage.completes[0]?.etags).toHaveLength(4);
    expect(storage.completes[0]?.etags).toContainEqual({ partNumber: 4, etag: '"ast_1-4"' });
  });

  test("that its check refuses has failed, and a retry sends it anew", async () => {
    const batch = page().uploads.start([file("bad.jpg")]);
    const [item] = await finished(batch);
    expect(item).toMatchObject({
      status: "failed",
      error: { code: "CORRUPT_FILE", message: "Broken." },
    });

    batch.retry(item?.id ?? "");
    await until(() => storage.assets.size === 2);

    expect((await finished(batch))[0]?.assetId).toBe("ast_2");
  });

  test("may be a Blob with a name", async () => {
    const blob = new Blob(["123"]);

    await finished(page().uploads.start([{ name: "b.png", blob, type: "image/png" }]));

    expect(storage.assets.get("ast_1")).toMatchObject({
      name: "b.png",
      type: "image/png",
      size: 3,
    });
  });
});

describe("a part", () => {
  test("is sent again after a lost response, a 5xx, or other bytes at the storage", async () => {
    storage.answer = (_, part, times) => {
      if (part === 1 && times === 1) return lost();
      if (part === 2 && times < 3) return new Response(null, { status: 503 });
      return undefined;
    };

    const [item] = await finished(page().uploads.start([file("a.mp4", 3_000)]));

    expect(item?.status).toBe("uploaded");
    expect(storage.puts.filter((put) => put.endsWith("/2"))).toHaveLength(3);
  });

  test("is given up after five attempts, and a retry goes on with the missing part only", async () => {
    storage.answer = (_, part, times) => (part === 2 && times <= 5 ? lost() : undefined);
    const batch = page().uploads.start([file("a.mp4", 3_000)]);
    const [item] = await finished(batch);
    expect(item).toMatchObject({ status: "failed", error: { code: "OFFLINE" } });
    const before = storage.puts.length;

    batch.retry(item?.id ?? "");
    await until(() => statuses(batch)[0] === "uploaded");

    expect(storage.puts.slice(before)).toEqual(["ast_1/2"]);
    expect(storage.assets.size).toBe(1);
  });

  test("whose link is refused gets another link", async () => {
    storage.answer = (_, part, times) =>
      part === 1 && times === 1 ? new Response(null, { status: 403 }) : undefined;

    await finished(page().uploads.start([file("a.jpg")]));

    expect(storage.api.count("POST /api/uploads/ast_1/urls")).toBe(1);
  });

  test("gets another link a minute before its link ends", async () => {
    const signed = () => storage.api.count("POST /api/uploads/ast_1/urls");
    const batch = page().uploads.start([file("a.jpg")]);
    batch.pause();
    await until(() => storage.assets.size === 1);
    await vi.advanceTimersByTimeAsync(HOUR_MS - 59_000);

    batch.resume();
    await finished(batch);

    expect(signed()).toBe(1);
  });

  test("that the storage lost is sent again when complete names it", async () => {
    storage.answer = (assetId, part, times) => {
      const lies = part === 3 && times === 1;
      return lies ? new Response(null, { headers: { ETag: `"${assetId}-3"` } }) : undefined;
    };

    const [item] = await finished(page().uploads.start([file("a.mp4", 3_000)]));

    expect(item?.status).toBe("uploaded");
    expect(storage.completes).toHaveLength(2);
    expect(storage.puts.filter((put) => put.endsWith("/3"))).toHaveLength(2);
  });
});

describe("many files", () => {
  test("share sessions of a hundred, and four files and six parts at once", async () => {
    const files = Array.from({ length: 130 }, (_, n) => file(`${n}.jpg`));
    const batch = page().uploads.start([...files, file("a.mp4", 9_000)]);
    storage.concurrent = 200;
    const items = await finished(batch);

    expect(items.every(({ status }) => status === "uploaded")).toBe(true);
    expect(storage.api.count("POST /api/uploads/session")).toBe(2);
    expect(storage.mostAtOnce).toBeLessThanOrEqual(6);
    expect(storage.mostAtOnce).toBeGreaterThan(3);
  });

  test("of one PUT each are completed by the storage when there are over twenty", async () => {
    const some = (count: number) => Array.from({ length: count }, (_, n) => file(`${n}.jpg`));
    await finished(page().uploads.start(some(20)));
    expect(storage.completes).toHaveLength(20);

    await finished(page().uploads.start(some(21)));

    expect(storage.completes).toHaveLength(20);
  });

  test("of which some are refused go on without these", async () => {
    const batch = page().uploads.start([
      file("a.jpg"),
      file("b.exe"),
      file("c.jpg"),
      file("huge.jpg"),
      file("d.jpg"),
    ]);
    const items = await finished(batch);

    expect(items.map(({ status, error }) => error?.code ?? status)).toEqual([
      "uploaded",
      "UNSUPPORTED_TYPE",
      "uploaded",
      "FILE_TOO_LARGE",
      "uploaded",
    ]);
  });

  test("wait their turn where the plan allows fewer at once", async () => {
    storage.concurrent = 3;

    const items = await finished(
      page().uploads.start(Array.from({ length: 8 }, (_, n) => file(`${n}.jpg`))),
    );

    expect(items.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => "uploaded"));
  });

  test("are refused where other uploads of the account leave no room", async () => {
    storage.concurrent = 0;

    const [item] = await finished(page().uploads.start([file("a.jpg")]));

    expect(item).toMatchObject({ status: "failed", error: { code: "PLAN_LIMIT" } });
  });

  test("keep their session when the response is lost", async () => {
    const { fetch } = storage.api;
    let times = 0;
    const flaky = async (request: Request) => {
      const response = await fetch(request);
      if (request.url.endsWith("/session") && (times += 1) === 1) throw lost();
      return response;
    };

    await finished(page({ fetch: flaky }).uploads.start([file("a.jpg")]));

    expect(storage.assets.size).toBe(1);
  });
});

describe("sending", () => {
  test("stops at a pause and goes on with what is missing", async () => {
    const batch = page().uploads.start([file("a.mp4", 9_000)]);
    await until(() => (storage.assets.get("ast_1")?.parts.size ?? 0) >= 2);

    batch.pause();
    await until(() => storage.atOnce === 0);
    const puts = storage.puts.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(storage.puts).toHaveLength(puts);
    expect(statuses(batch)).toEqual(["paused"]);
    const arrived = storage.assets.get("ast_1")?.parts.size ?? 0;

    batch.resume();
    await finished(batch);

    expect(storage.puts.length - puts).toBe(9 - arrived);
  });

  test("waits while there is no network, without using up attempts", async () => {
    storage.answer = (_, __, times) => {
      if (times > 1) return undefined;
      online = false;
      return lost();
    };
    const batch = page().uploads.start([file("a.jpg")]);
    await until(() => statuses(batch)[0] === "paused");

    await vi.advanceTimersByTimeAsync(600_000);
    expect(storage.puts).toHaveLength(1);
    online = true;

    expect((await finished(batch))[0]?.status).toBe("uploaded");
  });

  test("opens one session, also when it is paused and resumed before that is open", async () => {
    const batch = page().uploads.start([file("a.jpg")]);
    batch.pause();
    batch.resume();

    expect((await finished(batch))[0]?.status).toBe("uploaded");
    expect(storage.assets.size).toBe(1);
  });

  test("ends with an abort before its session is open, and leaves no session behind", async () => {
    const batch = page().uploads.start([file("a.jpg")]);
    await batch.abort(batch.items[0]?.id ?? "");

    await until(() => storage.api.count("DELETE /api/uploads/ast_1") === 1);

    expect(statuses(batch)).toEqual(["aborted"]);
    expect(storage.puts).toEqual([]);
  });

  test("of a large file leaves room for small ones", async () => {
    const batch = page().uploads.start([file("a.mp4", 60_000), file("b.jpg")]);

    await finished(batch);

    expect(storage.puts.indexOf("ast_2/1")).toBeLessThan(13);
  });

  test("ends with an abort, which deletes what has arrived", async () => {
    const batch = page().uploads.start([file("a.mp4", 9_000), file("b.jpg")]);
    await until(() => storage.puts.length >= 2);

    await batch.abort(batch.items[0]?.id ?? "");
    const items = await finished(batch);

    expect(items.map(({ status }) => status)).toEqual(["aborted", "uploaded"]);
    expect(storage.api.count("DELETE /api/uploads/ast_1")).toBe(1);
  });
});

describe.each([
  ["memory", () => memoryStore()],
  ["IndexedDB", () => indexedDbStore(`account-${Math.random()}`)],
])("after a reload, with a store in %s", (_, newStore) => {
  /** Send until two parts have arrived; then the page goes away. */
  async function interrupted(source: File, platform = {}) {
    const store = newStore();
    const controller = { gone: false };
    const { fetch } = storage.api;
    const leaving = async (request: Request) => {
      if (controller.gone) return new Promise<Response>(() => undefined);
      return fetch(request);
    };
    page({ ...platform, fetch: leaving }).uploads.start([source], { store });
    await until(() => (storage.assets.get("ast_1")?.parts.size ?? 0) >= 2);
    controller.gone = true;
    await until(() => storage.atOnce === 0);
    return store;
  }

  test("a kept file goes on with what is missing, and leaves nothing in the store", async () => {
    const store = await interrupted(file("a.mp4", 9_000));
    const puts = storage.puts.length;
    const arrived = storage.assets.get("ast_1")?.parts.size ?? 0;

    let batch: UploadBatch | undefined;
    page()
      .uploads.restore({ store })
      .then((restored) => (batch = restored));
    await until(() => batch !== undefined);
    const [item] = await finished(batch as UploadBatch);

    expect(item).toMatchObject({ status: "uploaded", assetId: "ast_1" });
    expect(storage.puts.length - puts).toBe(9 - arrived);
    expect(storage.content("ast_1")).toBe(await file("a.mp4", 9_000).text());
    let left: readonly unknown[] = [1];
    store.all().then((records) => (left = records));
    await until(() => left.length === 0);
  });

  test("a file that is not at hand must be chosen again, and be the same", async () => {
    const original = file("a.mp4", 9_000);
    const store = await interrupted(original);
    let [record] = [
      undefined as never as Awaited<ReturnType<typeof store.all>>[number] | undefined,
    ];
    store.all().then(([first]) => (record = first));
    await until(() => record !== undefined);
    const { file: _kept, ...without } = record as NonNullable<typeof record>;
    let stored = false;
    store.put([without]).then(() => (stored = true));
    await until(() => stored);

    let batch: UploadBatch | undefined;
    page()
      .uploads.restore({ store })
      .then((restored) => (batch = restored));
    await until(() => batch !== undefined && statuses(batch)[0] === "needs-file");
    const id = batch?.items[0]?.id ?? "";
    const other = new File([(await original.text()).replace("0", "x")], "a.mp4");

    const results = [file("b.mp4", 9_000), file("a.mp4", 8_999), other, original].map(
      (source) => () => batch?.provide(id, source),
    );
    const accepted: unknown[] = [];
    for (const offer of results) {
      const count = accepted.length;
      offer()?.then((result) => accepted.push(result));
      await until(() => accepted.length > count);
    }

    expect(accepted).toEqual([false, false, false, true]);
    expect((await finished(batch as UploadBatch))[0]?.status).toBe("uploaded");
  });
});

describe("restoring", () => {
  test("repeats the request whose response was never seen, so that no file is opened twice", async () => {
    const store = memoryStore();
    const { fetch } = storage.api;
    const leaving = async (request: Request) => {
      await fetch(request);
      return new Promise<Response>(() => undefined);
    };
    page({ fetch: leaving }).uploads.start([file("a.jpg"), file("b.jpg")], { store });
    await until(() => storage.assets.size === 2);

    const batch = await page().uploads.restore({ store });
    await finished(batch);

    expect([...storage.assets.values()].map(({ name, status }) => [name, status])).toEqual([
      ["a.jpg", "uploaded"],
      ["b.jpg", "uploaded"],
    ]);
  });

  test("does not open files again while it is unknown whether they were opened", async () => {
    const store = memoryStore();
    const { fetch } = storage.api;
    const leaving = async (request: Request) => {
      await fetch(request);
      return new Promise<Response>(() => undefined);
    };
    page({ fetch: leaving }).uploads.start([file("a.jpg")], { store });
    await until(() => storage.assets.size === 1);
    const offline = async (request: Request) =>
      request.method === "POST" ? Promise.reject(lost()) : fetch(request);
    const failed = await finished(await page({ fetch: offline }).uploads.restore({ store }));
    expect(failed[0]).toMatchObject({ status: "failed", error: { code: "OFFLINE" } });

    const [item] = await finished(await page().uploads.restore({ store }));

    expect(item?.status).toBe("uploaded");
    expect(storage.assets.size).toBe(1);
  });

  test("leaves uploads alone that another tab is sending", async () => {
    const store = memoryStore();
    const browser = new FakeBrowser();
    const { locks } = browser.tab();
    const first = page({ locks }).uploads.start([file("a.mp4", 9_000)], { store });
    await until(() => storage.puts.length >= 1);

    const second = await page({ locks }).uploads.restore({ store });

    expect(second.items).toEqual([]);
    expect((await finished(first))[0]?.status).toBe("uploaded");
    expect(storage.puts).toHaveLength(9);
  });

  test("of another account's uploads fails without sending anything", async () => {
    const store = memoryStore();
    await store.put([
      {
        id: "u",
        name: "a.jpg",
        type: "image/jpeg",
        size: 20,
        lastModified: 0,
        fingerprint: "",
        assetId: "ast_9",
        file: file("a.jpg"),
      },
    ]);

    const batch = await page().uploads.restore({ store });
    const [item] = await finished(batch);

    expect(item).toMatchObject({ status: "failed", error: { code: "NOT_FOUND" } });
    expect(storage.puts).toEqual([]);
  });
});

describe("with XMLHttpRequest", () => {
  class FakeXhr {
    static readonly all: FakeXhr[] = [];
    status = 0;
    url = "";
    readonly headers: Record<string, string> = {};
    readonly upload: { onprogress?: (event: { loaded: number }) => void } = {};
    onload?: () => void;
    onabort?: () => void;

    constructor() {
      FakeXhr.all.push(this);
    }

    open(_: string, url: string): void {
      this.url = url;
    }

    setRequestHeader(name: string, value: string): void {
      this.headers[name] = value;
    }

    getResponseHeader(): string {
      return '"e"';
    }

    send(): void {}

    abort(): void {
      this.onabort?.();
    }

    responds(status: number): void {
      this.status = status;
      storage.assets.get(this.url.split("/").at(-2) ?? "")?.parts.set(1, "x");
      this.onload?.();
    }
  }

  beforeEach(() => {
    FakeXhr.all.length = 0;
  });

  test("progress is reported as it moves", async () => {
    const batch = page({ XMLHttpRequest: FakeXhr }).uploads.start([file("a.jpg", 1_000)]);
    await until(() => FakeXhr.all.length === 1);

    FakeXhr.all[0]?.upload.onprogress?.({ loaded: 400 });
    expect(batch.items[0]?.sentBytes).toBe(400);
    FakeXhr.all[0]?.responds(200);

    expect((await finished(batch))[0]).toMatchObject({ status: "uploaded", sentBytes: 1_000 });
    expect(FakeXhr.all[0]?.headers).toEqual({ "Content-Type": "image/jpeg" });
  });

  test("a transfer that does not move for a minute is sent again", async () => {
    const batch = page({ XMLHttpRequest: FakeXhr }).uploads.start([file("a.jpg", 1_000)]);
    await until(() => FakeXhr.all.length === 1);

    await vi.advanceTimersByTimeAsync(62_000);
    await until(() => FakeXhr.all.length === 2);
    FakeXhr.all[1]?.responds(200);

    expect((await finished(batch))[0]?.status).toBe("uploaded");
  });
});
