/** Lists are followed to their end. */

import { expect, test } from "vitest";
import { darkroom, FakeApi, job, json, thrown } from "./support.js";

const PAGES: Record<string, [string[], string | null]> = {
  "": [["1", "2"], "b"],
  b: [[], "c"],
  c: [["3"], null],
};

function api(): FakeApi {
  return new FakeApi().on("GET /api/jobs", (request) => {
    const cursor = new URL(request.url).searchParams.get("cursor") ?? "";
    const [ids, nextCursor] = PAGES[cursor] ?? [[], null];
    return json({ items: ids.map((id) => job(id)), nextCursor });
  });
}

test("items of all pages come in order, also over an empty page", async () => {
  const server = api();
  const found: string[] = [];

  for await (const { jobId } of darkroom(server).pages("/api/jobs", {
    query: { status: "failed" },
  })) {
    found.push(jobId);
  }

  expect(found).toEqual(["1", "2", "3"]);
  expect(server.requests.map(({ url }) => new URL(url).searchParams.get("status"))).toEqual(
    Array.from({ length: 3 }, () => "failed"),
  );
});

test("no page is read before it is needed", async () => {
  const server = api();

  for await (const { jobId } of darkroom(server).pages("/api/jobs")) if (jobId === "2") break;

  expect(server.requests).toHaveLength(1);
});

test("pages come one by one, from a cursor", async () => {
  const cursors: (string | null)[] = [];

  for await (const page of darkroom(api()).pages("/api/jobs", { cursor: "b" }).byPage()) {
    cursors.push(page.nextCursor);
  }

  expect(cursors).toEqual(["c", null]);
});

test("a cursor that leads to itself is an error, not an endless loop", async () => {
  const server = new FakeApi().on("GET /api/jobs", json({ items: [], nextCursor: "x" }));
  const pages = darkroom(server).pages("/api/jobs");

  expect(
    await thrown(
      (async () => {
        for await (const _ of pages);
      })(),
    ),
  ).toBeInstanceOf(Error);
  expect(server.requests).toHaveLength(2);
});
