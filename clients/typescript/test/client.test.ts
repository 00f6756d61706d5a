/** Calls: what they send, what they throw, and when they are repeated. */

import {
  Conflict,
  CreditsInsufficient,
  DarkroomError,
  hasCode,
  Invalid,
  NotFound,
  Offline,
  PlanLimit,
  RateLimited,
  Unauthorized,
  Unavailable,
} from "@darkroom/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { darkroom, failure, FakeApi, job, json, lost, thrown } from "./support.js";

const CONFIRM = { mode: "story", stage: "spark", genre: "noir", photoAssetIds: ["a"] } as never;
const CONFIRMED = {
  jobId: "job_1",
  status: "queued",
  templateId: "t",
  creditsReserved: 2,
  balance: 3,
};
const JOB = { params: { path: { jobId: "job_1" } } };

let api: FakeApi;

beforeEach(() => {
  vi.useFakeTimers();
  api = new FakeApi();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Let all waits of a call pass; returns its result or its error. */
async function ended<T>(promise: Promise<T>): Promise<T | unknown> {
  const result = promise.catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(61_000);
  return result;
}

describe("a call", () => {
  test("sends path, query, body, language and token", async () => {
    api.on("GET /api/jobs", json({ items: [], nextCursor: null }));
    const dr = darkroom(api, { token: async () => "t-1", locale: () => "ko" });

    await dr.GET("/api/jobs", { params: { query: { limit: 5, search: "a b" } } });

    const [request] = api.requests;
    expect(request?.url).toBe("https://api.example/api/jobs?limit=5&search=a%20b");
    expect(request?.headers.get("Authorization")).toBe("Bearer t-1");
    expect(request?.headers.get("Accept-Language")).toBe("ko");
  });

  test("sends no token for a caller who is not signed in", async () => {
    api.on("GET /api/pricing", json({ packs: [] }));

    await darkroom(api, { token: async () => null }).GET("/api/pricing");

    expect(api.headers("Authorization")).toEqual([null]);
  });

  test("returns CSV as text and an empty response as undefined", async () => {
    api
      .on("GET /api/jobs.csv", new Response("id\n1\n", { headers: { "Content-Type": "text/csv" } }))
      .on("DELETE /api/albums/{id}", new Response(null, { status: 204 }));
    const dr = darkroom(api);

    expect((await dr.GET("/api/jobs.csv")).data).toBe("id\n1\n");
    const params = { path: { albumId: "alb_1" } };
    expect((await dr.DELETE("/api/albums/{albumId}", { params })).data).toBeUndefined();
  });

  test("passes a mistake in its options on as it is", async () => {
    const error = await thrown(darkroom(api, { baseUrl: "not an address" }).GET("/api/pricing"));

    expect(error).toBeInstanceOf(TypeError);
    expect(api.requests).toHaveLength(0);
  });

  test("ends with the caller's reason when it is aborted, also while it waits", async () => {
    api.on("GET /api/pricing", () => lost());
    const controller = new AbortController();
    const call = thrown(darkroom(api).GET("/api/pricing", { signal: controller.signal }));
    await vi.advanceTimersByTimeAsync(100);

    controller.abort("changed my mind");

    expect(await call).toBe("changed my mind");
    expect(api.requests).toHaveLength(1);
  });
});

describe("a refused token", () => {
  test("is replaced once, and the request sent again with the same key", async () => {
    const tokens = ["old", "new"];
    api.on("POST /api/jobs/confirm", (request) =>
      request.headers.get("Authorization") === "Bearer new"
        ? json(CONFIRMED, 202)
        : json({ message: "Unauthorized" }, 401),
    );
    const rejected: (string | undefined)[] = [];
    const dr = darkroom(api, {
      token: async (token) => (rejected.push(token), tokens[token ? 1 : 0] ?? ""),
    });
    const action = dr.action();

    const { data } = await dr.POST("/api/jobs/confirm", { body: CONFIRM, action });

    expect(data.jobId).toBe("job_1");
    expect(rejected).toEqual([undefined, "old"]);
    expect(api.headers("Idempotency-Key")).toEqual([action.key, action.key]);
  });

  test("is an error when the second token is refused too, or is the same", async () => {
    api.on("GET /api/credits", json({ message: "Unauthorized" }, 401));
    let number = 0;

    expect(
      await thrown(darkroom(api, { token: () => `t-${number++}` }).GET("/api/credits")),
    ).toBeInstanceOf(Unauthorized);
    expect(api.requests).toHaveLength(2);
    const error = await thrown(darkroom(api, { token: () => "same" }).GET("/api/credits"));
    expect(error).toMatchObject({ code: "UNAUTHORIZED", status: 401, message: "Unauthorized" });
    expect(api.requests).toHaveLength(3);
  });

  test("is replaced once for all calls that were refused with it", async () => {
    let renewals = 0;
    api.on("GET /api/credits", (request) =>
      request.headers.get("Authorization") === "Bearer new"
        ? json({ balance: 5 })
        : json({ message: "Unauthorized" }, 401),
    );
    const token = async (rejected?: string) => (rejected ? ((renewals += 1), "new") : "old");
    const dr = darkroom(api, { token });

    await Promise.all([dr.GET("/api/credits"), dr.GET("/api/credits"), dr.GET("/api/credits")]);

    expect(renewals).toBe(1);
  });

  test("leaves the error of a provider that cannot renew it to the caller", async () => {
    api.on("GET /api/credits", json({ message: "Unauthorized" }, 401));
    const signedOut = new Error("signed out");
    const token = (rejected?: string) => (rejected ? Promise.reject(signedOut) : "t");

    expect(await thrown(darkroom(api, { token }).GET("/api/credits"))).toBe(signedOut);
  });
});

describe("an error", () => {
  const errorOf = async (response: Response) => {
    api.on("POST /api/jobs/confirm", response);
    return thrown(
      darkroom(api).POST("/api/jobs/confirm", { body: CONFIRM, action: undefined as never }),
    );
  };

  test("of 402 has what is missing and which packs cover it", async () => {
    const suggestions = [{ pack: "Starter", credits: 10 }];
    const facts = { needed: 5, balance: 2, shortfall: 3, suggestions };

    const error = await errorOf(failure(402, "CREDITS_INSUFFICIENT", facts));

    expect(error).toBeInstanceOf(CreditsInsufficient);
    expect(error).toMatchObject({
      ...facts,
      status: 402,
      requestId: "r-1",
      message: "A sentence.",
    });
  });

  test("of a plan's limit has the limit", async () => {
    const facts = { name: "concurrentUploads", limit: 20, used: 20, plan: "free", upgradeTo: null };

    const error = await errorOf(failure(403, "PLAN_LIMIT", facts));

    expect(error).toBeInstanceOf(PlanLimit);
    expect(error).toMatchObject(facts);
  });

  test("of a field names the field", async () => {
    const fields = [{ path: "genre", code: "NOT_ALLOWED", message: "Not one of …" }];

    const error = await errorOf(failure(400, "VALIDATION_FAILED", { fields }));

    expect(error).toBeInstanceOf(Invalid);
    expect(error).toMatchObject({ fields });
  });

  test("narrows its facts by its code", async () => {
    const error = await errorOf(failure(400, "MULTIPLE_FACES", { faces: 3 }));

    expect(hasCode(error, "MULTIPLE_FACES") && error.facts.faces).toBe(3);
    expect(hasCode(error, "NO_FACE")).toBe(false);
  });

  test.each([
    [404, "NOT_FOUND", NotFound],
    [409, "JOB_NOT_DRAFT", Conflict],
    [429, "RATE_LIMITED", RateLimited],
    [500, "INTERNAL", Unavailable],
    [503, "UNAVAILABLE", Unavailable],
  ])("of %i has its class", async (status, code, kind) => {
    expect(await errorOf(failure(status, code))).toBeInstanceOf(kind);
  });

  test.each([
    [401, "UNAUTHORIZED"],
    [404, "NOT_FOUND"],
    [413, "BODY_TOO_LARGE"],
    [429, "RATE_LIMITED"],
    [503, "UNAVAILABLE"],
  ])("of the gateway itself (%i) has a code", async (status, code) => {
    const error = await errorOf(json({ message: "Gateway" }, status, { "apigw-requestid": "g-1" }));

    expect(error).toMatchObject({ code, message: "Gateway", requestId: "g-1" });
  });

  test("of a body that is no JSON is an error as well", async () => {
    const page = new Response("<h1>Sign in to the hotel</h1>", {
      headers: { "Content-Type": "text/html" },
    });
    api.on("GET /api/pricing", page);

    const error = await ended(darkroom(api).GET("/api/pricing"));

    expect(error).toMatchObject({ code: "BAD_RESPONSE" });
    expect(error).toBeInstanceOf(DarkroomError);
  });
});

describe("repeats", () => {
  test("a read is repeated after a lost response and after 502, 503, 504 and 429", async () => {
    for (const first of [
      lost(),
      failure(502, "X"),
      failure(503, "UNAVAILABLE"),
      failure(504, "X"),
      failure(429, "RATE_LIMITED"),
    ]) {
      api.sequence("GET /api/jobs/{jobId}", first, json(job("job_1")));

      expect(await ended(darkroom(api).GET("/api/jobs/{jobId}", JOB))).toMatchObject({
        data: { jobId: "job_1" },
      });
    }
    expect(api.requests).toHaveLength(10);
  });

  test("a call with an action is repeated with its key, also while the first one is running", async () => {
    api.sequence(
      "POST /api/jobs/confirm",
      lost(),
      failure(409, "IN_PROGRESS"),
      json(CONFIRMED, 202, { "Idempotent-Replayed": "true" }),
    );
    const dr = darkroom(api);
    const action = dr.action();

    const answer = await ended(dr.POST("/api/jobs/confirm", { body: CONFIRM, action }));

    expect(answer).toMatchObject({ replayed: true, data: { jobId: "job_1" } });
    expect(api.headers("Idempotency-Key")).toEqual([action.key, action.key, action.key]);
    expect(new Set(api.bodies.map((body) => JSON.stringify(body))).size).toBe(1);
  });

  test("nothing else is repeated", async () => {
    api.sequence("POST /api/jobs/quote", failure(503, "UNAVAILABLE"));
    api.sequence("PATCH /api/assets/{assetId}", lost());
    const dr = darkroom(api);

    expect(
      await ended(dr.POST("/api/jobs/quote", { body: { draftJobId: "job_1" } })),
    ).toBeInstanceOf(Unavailable);
    const params = { path: { assetId: "ast_1" } };
    expect(
      await ended(dr.PATCH("/api/assets/{assetId}", { params, body: { filename: "b" } })),
    ).toBeInstanceOf(Offline);
    expect(api.requests).toHaveLength(2);
  });

  test.each([400, 401, 402, 403, 404, 409, 412, 413, 422, 500])("%i is final", async (status) => {
    api.on("GET /api/jobs/{jobId}", failure(status, "SOME_CODE"));

    expect(await ended(darkroom(api).GET("/api/jobs/{jobId}", JOB))).toBeInstanceOf(DarkroomError);
    expect(api.requests).toHaveLength(1);
  });

  test("there are four attempts, with full jitter from 300 ms", async () => {
    const at: number[] = [];
    const started = Date.now();
    api.on("GET /api/pricing", () => (at.push(Date.now() - started), lost()));

    expect(await ended(darkroom(api).GET("/api/pricing"))).toBeInstanceOf(Offline);

    expect(at).toEqual([0, 300, 900, 2100]);
    at.length = 0;
    const now = Date.now();
    api.on("GET /api/pricing", () => (at.push(Date.now() - now), lost()));
    await ended(darkroom(api, { platform: { random: () => 0 } }).GET("/api/pricing"));
    expect(at).toHaveLength(4);
    expect(at[3]).toBeLessThan(10);
  });

  test("none comes before Retry-After", async () => {
    const at: number[] = [];
    const started = Date.now();
    api.on("GET /api/pricing", () => {
      at.push(Date.now() - started);
      return failure(429, "RATE_LIMITED", {}, { "Retry-After": "12" });
    });

    await ended(darkroom(api).GET("/api/pricing"));

    expect(at).toEqual([0, 12_000, 24_000, 36_000]);
  });

  test("a wait that would end after a minute is thrown at once", async () => {
    api.on("GET /api/pricing", failure(429, "RATE_LIMITED", {}, { "Retry-After": "61" }));

    const error = await thrown(darkroom(api).GET("/api/pricing"));

    expect(error).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 61_000 });
  });

  test("an attempt without a response ends, and all of them within a minute", async () => {
    api.on("GET /api/pricing", () => new Promise<Response>(() => undefined));
    const started = Date.now();
    let endedAt = 0;
    const call = thrown(darkroom(api).GET("/api/pricing")).finally(
      () => (endedAt = Date.now() - started),
    );
    await vi.advanceTimersByTimeAsync(70_000);

    expect(await call).toMatchObject({ code: "TIMEOUT", status: 0 });
    expect(endedAt).toBeLessThanOrEqual(60_000);
    expect(api.requests).toHaveLength(2);
  });

  test("an action may leave a 429 to the caller, who counts down", async () => {
    api.on("POST /api/jobs/confirm", failure(429, "RATE_LIMITED", {}, { "Retry-After": "5" }));
    api.sequence("GET /api/pricing", failure(429, "RATE_LIMITED"), json({ packs: [] }));
    const dr = darkroom(api, { retries: { actionsAwaitRateLimit: false } });

    const error = await thrown(
      dr.POST("/api/jobs/confirm", { body: CONFIRM, action: dr.action() }),
    );

    expect(error).toMatchObject({ retryAfterMs: 5_000 });
    expect(await ended(dr.GET("/api/pricing"))).toMatchObject({ data: { packs: [] } });
  });

  test("a deletion whose response was lost counts as done when the thing is gone", async () => {
    const path = "DELETE /api/albums/{albumId}";
    const params = { path: { albumId: "alb_1" } };
    api.sequence(path, lost(), failure(404, "NOT_FOUND"));

    expect(await ended(darkroom(api).DELETE("/api/albums/{albumId}", { params }))).toMatchObject({
      data: undefined,
    });

    api.on(path, failure(404, "NOT_FOUND"));
    expect(await ended(darkroom(api).DELETE("/api/albums/{albumId}", { params }))).toBeInstanceOf(
      NotFound,
    );
  });
});

describe("a conditional read", () => {
  test("says whether the resource has changed", async () => {
    api.on("GET /api/jobs/{jobId}", (request) =>
      request.headers.get("If-None-Match") === '"1"'
        ? new Response(null, { status: 304, headers: { ETag: '"1"' } })
        : json(job("job_1"), 200, { ETag: '"1"' }),
    );
    const dr = darkroom(api);

    const first = await dr.ifChanged("/api/jobs/{jobId}", { ...JOB, etag: null });
    const second = await dr.ifChanged("/api/jobs/{jobId}", { ...JOB, etag: '"1"' });

    expect(first).toMatchObject({ changed: true, etag: '"1"', data: { jobId: "job_1" } });
    expect(second.changed).toBe(false);
  });
});
