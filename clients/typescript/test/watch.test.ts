/** Live jobs: the stream, what replaces it, and one connection for all tabs. */

import type { JobEvent, WatchState } from "@darkroom/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isNews } from "../src/watch.js";
import { darkroom, failure, FakeApi, FakeBrowser, job, json, thrown, tokenOf } from "./support.js";
import type { FakeStream } from "./support.js";

const TICKET = "POST /api/jobs/stream-ticket";
const READ = "GET /api/jobs/{jobId}";

let api: FakeApi;
let browser: FakeBrowser;
let tickets: number;

beforeEach(() => {
  vi.useFakeTimers();
  api = new FakeApi();
  browser = new FakeBrowser();
  tickets = 0;
  api.on(TICKET, () => json({ ticket: `ticket-${(tickets += 1)}`, expiresAt: "" }));
  api.on(READ, (request) => json(job(request.url.split("/").at(-1) ?? "")));
  api.on("GET /api/jobs", json({ items: [], nextCursor: null }));
});

afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms = 10) => vi.advanceTimersByTimeAsync(ms);

function at(second: number): string {
  return `2026-05-01T10:00:${String(second).padStart(2, "0")}.000Z`;
}

function event(jobId: string, status = "running", second = 0, completed = 0): JobEvent {
  const progress = { completed, failed: 0, total: 7, percent: 0 };
  return { jobId, status: status as JobEvent["status"], progress, updatedAt: at(second) };
}

/** A tab of the browser, watching. */
function tab({ account = "alice", streams = true } = {}) {
  const { openStream, ...platform } = browser.tab();
  const events: string[] = [];
  const states: WatchState[] = [];
  const gone: string[] = [];
  const errors: unknown[] = [];
  const dr = darkroom(api, {
    token: () => tokenOf(account),
    platform: { ...platform, openStream: streams ? openStream : undefined },
  });
  const stop = dr.jobs.watch({
    onJob: ({ jobId, status }) => events.push(`${jobId} ${status}`),
    onState: (state) => states.push(state),
    onGone: (jobId) => gone.push(jobId),
    onError: (error) => errors.push(error),
  });
  return { dr, stop, events, states, gone, errors, visibility: platform.visibility };
}

async function live(options = {}) {
  const watching = tab(options);
  await pass();
  const stream = browser.streams.at(-1) as FakeStream;
  stream.opens();
  return { ...watching, stream };
}

describe("the stream", () => {
  test("is opened with a ticket and brings changes", async () => {
    const { stream, events, states } = await live();

    stream.sends(event("job_1"), "1");
    stream.sends(event("job_1", "succeeded", 2, 7), "2");

    expect(stream.url).toBe("https://api.example/api/jobs/stream?ticket=ticket-1");
    expect(events).toEqual(["job_1 running", "job_1 succeeded"]);
    expect(states).toEqual(["connecting", "live"]);
  });

  test("that reconnects by itself is no failure", async () => {
    const { stream, states } = await live();

    for (let turn = 0; turn < 20; turn += 1) {
      stream.reconnects();
      await pass(2_000);
      stream.opens();
    }

    expect(browser.streams).toHaveLength(1);
    expect(states).toEqual(["connecting", "live"]);
  });

  test("goes on behind the last event with another ticket when its ticket is refused", async () => {
    const { stream } = await live();
    stream.sends(event("job_1"), "41");

    stream.refused();
    await pass(1_000);

    expect(browser.open.map(({ query }) => query)).toEqual([
      { ticket: "ticket-2", lastEventId: "41" },
    ]);
  });

  test("gives way to polling after three failures in a minute, and is tried again after one", async () => {
    const { states, dr, stop } = await live();
    stop.follow("job_1");
    const reads = () => api.count("GET /api/jobs/job_1");

    for (let failures = 0; failures < 3; failures += 1) {
      browser.streams.at(-1)?.refused();
      await pass(4_000);
    }
    expect(browser.open).toEqual([]);
    expect(states.at(-1)).toBe("polling");
    const before = reads();
    await pass(20_000);
    expect(reads() - before).toBeGreaterThanOrEqual(9);

    await pass(40_000);
    expect(browser.open).toHaveLength(1);
    browser.open[0]?.opens();
    expect(states.at(-1)).toBe("live");
    expect(dr).toBeDefined();
  });

  test("that is silent for half a minute is replaced", async () => {
    await live();

    await pass(40_000);

    expect(browser.open.map(({ query }) => query["ticket"])).toEqual(["ticket-2"]);
  });

  test("that is silent about a job for a minute has it read once", async () => {
    const { stream, events } = await live();
    stream.sends(event("job_1"), "1");
    api.on(READ, json(job("job_1", "succeeded")));
    const alive = setInterval(() => stream.opens(), 2_000);

    await pass(50_000);
    expect(api.count("GET /api/jobs/job_1")).toBe(0);
    await pass(30_000);

    expect(events).toEqual(["job_1 running", "job_1 succeeded"]);
    expect(api.count("GET /api/jobs/job_1")).toBe(1);
    clearInterval(alive);
  });

  test("is closed when the last subscriber stops", async () => {
    const first = await live();
    const second = first.dr.jobs.watch({ onJob: () => undefined });

    first.stop();
    expect(browser.open).toHaveLength(1);
    second();
    await pass();

    expect(browser.open).toEqual([]);
    const requests = api.requests.length;
    await pass(200_000);
    expect(api.requests).toHaveLength(requests);
  });

  test("stops with the error when the account may not watch any more", async () => {
    api.on(TICKET, failure(401, "UNAUTHORIZED"));

    const { errors, states } = tab();
    await pass();

    expect(errors).toMatchObject([{ code: "UNAUTHORIZED" }]);
    expect(states.at(-1)).toBe("stopped");
  });

  test("tells a later subscriber what is under way", async () => {
    const { dr, stream } = await live();
    stream.sends(event("job_1"), "1");
    stream.sends(event("job_2", "failed"), "2");
    const seen: string[] = [];

    dr.jobs.watch({ onJob: ({ jobId }) => seen.push(jobId) });

    expect(seen).toEqual(["job_1"]);
  });
});

describe("polling, without a stream", () => {
  test("finds unfinished jobs by itself and reads them until they end", async () => {
    api.on(
      "GET /api/jobs",
      json({
        items: [job("job_1"), job("job_2", "failed"), job("job_3", "draft")],
        nextCursor: null,
      }),
    );
    api.on(READ, (_, times) =>
      times < 4
        ? json(job("job_1", "running", { pollAfterMs: 5_000 }), 200, { ETag: '"1"' })
        : json(job("job_1", "succeeded"), 200, { ETag: '"2"' }),
    );

    const { events, states } = tab({ streams: false });
    await pass(30_000);

    expect(states).toEqual(["connecting", "polling"]);
    expect(events).toEqual(["job_1 running", "job_1 succeeded"]);
    expect(api.count("GET /api/jobs/job_1")).toBe(4);
    expect(api.headers("If-None-Match").filter(Boolean)).toEqual(['"1"', '"1"', '"1"']);
  });

  test("says that a followed job is gone", async () => {
    api.on(READ, failure(404, "NOT_FOUND"));
    const { stop, gone } = tab({ streams: false });

    stop.follow("job_1");
    await pass(30_000);

    expect(gone).toEqual(["job_1"]);
    expect(api.count("GET /api/jobs/job_1")).toBe(1);
  });

  test("survives an outage", async () => {
    api.on(READ, (_, times) =>
      times < 6 ? failure(503, "UNAVAILABLE") : json(job("job_1", "succeeded")),
    );
    const { stop, events } = tab({ streams: false });

    stop.follow("job_1");
    await pass(60_000);

    expect(events).toEqual(["job_1 succeeded"]);
  });
});

describe("tabs", () => {
  test("of one account share one stream", async () => {
    const first = await live();
    const second = tab();
    await pass();

    first.stream.sends(event("job_1"), "1");
    await pass();

    expect(browser.streams).toHaveLength(1);
    expect(second.events).toEqual(["job_1 running"]);
    expect(second.states.at(-1)).toBe("live");
  });

  test("of two accounts share nothing", async () => {
    const alice = await live();
    const bob = await live({ account: "bob" });

    alice.stream.sends(event("job_1"), "1");
    await pass();

    expect(browser.open).toHaveLength(2);
    expect(bob.events).toEqual([]);
  });

  test("take over behind the last event when the leading one is closed", async () => {
    const first = await live();
    const second = tab();
    await pass();
    first.stream.sends(event("job_1"), "7");
    await pass();

    first.stop();
    await pass();

    expect(browser.open.map(({ query }) => query["lastEventId"])).toEqual(["7"]);
    browser.open[0]?.sends(event("job_1", "succeeded", 3), "8");
    expect(second.events).toEqual(["job_1 running", "job_1 succeeded"]);
  });

  test("that open later get what is under way", async () => {
    const first = await live();
    first.stream.sends(event("job_1"), "1");

    const second = tab();
    await pass();

    expect(second.events).toEqual(["job_1 running"]);
    expect(second.states.at(-1)).toBe("live");
  });

  test("hand over when hidden for a minute, and close the stream when all are", async () => {
    const first = await live();
    const second = tab();
    const alive = setInterval(() => browser.open.forEach((stream) => stream.opens()), 2_000);
    await pass();

    first.visibility.become("hidden");
    await pass(59_000);
    expect(browser.streams).toHaveLength(1);
    await pass(2_000);
    expect(browser.streams).toHaveLength(2);
    expect(browser.open).toHaveLength(1);

    second.visibility.become("hidden");
    await pass(61_000);
    expect(browser.open).toEqual([]);
    expect(second.states.at(-1)).toBe("paused");
    clearInterval(alive);
  });

  test("that are seen again read what they have missed", async () => {
    const only = await live();
    only.stream.sends(event("job_1"), "5");
    only.visibility.become("hidden");
    await pass(61_000);
    api.on(READ, json(job("job_1", "succeeded")));

    only.visibility.become("visible");
    await pass();

    expect(only.events).toEqual(["job_1 running", "job_1 succeeded"]);
    expect(browser.open.map(({ query }) => query["lastEventId"])).toEqual(["5"]);
  });
});

describe("an event is news", () => {
  test.each([
    ["a later change", event("j", "running", 2), event("j", "running", 1), true],
    ["an older change", event("j", "queued", 1), event("j", "running", 2), false],
    ["the same again", event("j", "running", 1), event("j", "running", 1), false],
    ["more of the same moment", event("j", "running", 1, 2), event("j", "running", 1, 1), true],
    ["anything after the end", event("j", "running", 9), event("j", "succeeded", 2), false],
    ["the end", event("j", "succeeded", 1), event("j", "running", 2), true],
  ])("%s", (_, is, was, news) => {
    expect(isNews(is, was)).toBe(news);
  });

  test("a read has no time: it is news if it is further on", () => {
    const { updatedAt: _, ...read } = event("j", "running", 0, 3);

    expect(isNews(read, event("j", "running", 9, 2))).toBe(true);
    expect(isNews(read, event("j", "running", 1, 4))).toBe(false);
    expect(isNews({ ...read, status: "queued" }, event("j", "running", 1, 0))).toBe(false);
  });
});

describe("waiting for a job", () => {
  test("returns it at once when it has ended", async () => {
    api.on(READ, json(job("job_1", "partial")));

    expect(await darkroom(api).jobs.wait("job_1")).toMatchObject({ status: "partial" });
    expect(api.requests).toHaveLength(1);
  });

  test("polls as often as the API asks, and closes everything behind it", async () => {
    api.on(READ, (_, times) =>
      json(job("job_1", times < 5 ? "running" : "succeeded", { pollAfterMs: 3_000 })),
    );

    const waiting = darkroom(api).jobs.wait("job_1");
    await pass(20_000);

    expect(await waiting).toMatchObject({ status: "succeeded" });
    const requests = api.requests.length;
    expect(requests).toBeLessThan(10);
    await pass(100_000);
    expect(api.requests).toHaveLength(requests);
  });

  test("ends with the stream's event", async () => {
    const { dr, stream } = await live();
    const waiting = dr.jobs.wait("job_1");
    await pass();
    api.on(READ, json(job("job_1", "succeeded")));

    stream.sends(event("job_1", "succeeded", 2), "1");

    expect(await waiting).toMatchObject({ status: "succeeded" });
  });

  test("ends with its signal, or when the job is deleted", async () => {
    const controller = new AbortController();
    const aborted = thrown(darkroom(api).jobs.wait("job_1", { signal: controller.signal }));
    const deleted = thrown(darkroom(api).jobs.wait("job_2"));
    await pass(1_000);

    controller.abort("enough");
    api.on(READ, failure(404, "NOT_FOUND"));
    await pass(10_000);

    expect(await aborted).toBe("enough");
    expect(await deleted).toMatchObject({ code: "NOT_FOUND" });
  });
});
