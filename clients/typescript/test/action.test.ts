/** An action happens once, also over a reload. */

import { beforeEach, describe, expect, test } from "vitest";
import { darkroom, failure, FakeApi, json, lost, thrown, tokenOf } from "./support.js";

const NAME = "confirm";
const BODY = { draftJobId: "job_1" } as const;
const ONE_ATTEMPT = { attempts: 1 };

let api: FakeApi;
let storage: Storage;

beforeEach(() => {
  api = new FakeApi();
  const kept = new Map<string, string>();
  storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
    get length() {
      return kept.size;
    },
  } as Storage;
});

const page = (options: { account?: string; now?: () => number } = {}) =>
  darkroom(api, {
    token: () => tokenOf(options.account ?? "alice"),
    retries: ONE_ATTEMPT,
    platform: options.now ? { now: options.now } : {},
  });

async function press(dr = page()) {
  const action = dr.action({ name: NAME, storage });
  await dr.POST("/api/jobs/confirm", { body: BODY, action }).catch(() => undefined);
  return action;
}

describe("an action", () => {
  test("has a key of its own, which a stored one keeps", () => {
    const dr = page();

    expect(dr.action().key).not.toBe(dr.action().key);
    expect(dr.action({ key: "stored" }).key).toBe("stored");
  });

  test("whose response was lost is sent again after a reload, exactly as it was", async () => {
    api.sequence("POST /api/jobs/confirm", lost(), json({ jobId: "job_1" }, 202));
    const { key } = await press();

    const open = await page().unfinished({ name: NAME, storage });
    const answer = await open?.repeat();

    expect(open?.path).toBe("/api/jobs/confirm");
    expect(answer?.data).toEqual({ jobId: "job_1" });
    expect(api.headers("Idempotency-Key")).toEqual([key, key]);
    expect(api.bodies).toEqual([BODY, BODY]);
    expect(await page().unfinished({ name: NAME, storage })).toBeNull();
  });

  test.each([
    ["a success", json({ jobId: "job_1" }, 202), 0],
    ["402", failure(402, "CREDITS_INSUFFICIENT"), 0],
    ["409 JOB_NOT_DRAFT", failure(409, "JOB_NOT_DRAFT"), 0],
    ["409 IN_PROGRESS", failure(409, "IN_PROGRESS"), 1],
    ["429", failure(429, "RATE_LIMITED"), 1],
    ["500", failure(500, "INTERNAL"), 1],
    ["503", failure(503, "UNAVAILABLE"), 1],
  ])("is over after a definite result: %s", async (_, response, left) => {
    api.on("POST /api/jobs/confirm", response);

    await press();

    expect(storage.length).toBe(left);
  });

  test("is forgotten after ten minutes", async () => {
    api.on("POST /api/jobs/confirm", () => lost());
    await press();

    const later = page({ now: () => Date.now() + 600_001 });

    expect(await later.unfinished({ name: NAME, storage })).toBeNull();
    expect(storage.length).toBe(0);
  });

  test("is not repeated by another account", async () => {
    api.on("POST /api/jobs/confirm", () => lost());
    await press();

    expect(await page({ account: "bob" }).unfinished({ name: NAME, storage })).toBeNull();
    expect(storage.length).toBe(0);
  });

  test("with damaged storage has nothing to repeat", async () => {
    storage.setItem("darkroom.action.confirm", "{");

    expect(await page().unfinished({ name: NAME, storage })).toBeNull();
  });

  test("happens also where nothing can be kept", async () => {
    api.on("POST /api/jobs/confirm", json({ jobId: "job_1" }, 202));
    storage.setItem = () => {
      throw new Error("full");
    };
    const dr = page();

    const action = dr.action({ name: NAME, storage });
    const { data } = await dr.POST("/api/jobs/confirm", { body: BODY, action });

    expect(data.jobId).toBe("job_1");
  });

  test("that the user gives up is forgotten", async () => {
    api.on("POST /api/jobs/confirm", () => lost());
    const dr = page();
    await thrown(
      dr.POST("/api/jobs/confirm", { body: BODY, action: dr.action({ name: NAME, storage }) }),
    );

    await (await dr.unfinished({ name: NAME, storage }))?.forget();

    expect(storage.length).toBe(0);
  });
});
