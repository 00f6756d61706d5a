/** The options for Uppy that docs/frontend.md shows: what each step of Uppy gets. */

import { beforeEach, expect, test, vi } from "vitest";
import { forUppy5, forUppy6 } from "../../../docs/examples/frontend/src/uppy.ts";
import { darkroom, FakeApi, json } from "./support.js";

const shared = vi.hoisted(() => ({ dr: undefined as unknown }));
vi.mock("../../../docs/examples/frontend/src/darkroom.ts", () => ({
  get dr() {
    return shared.dr;
  },
}));

const PART = 8 << 20;
let api: FakeApi;
let files: Record<string, Parameters<ReturnType<typeof forUppy5>["getUploadParameters"]>[0]>;
let open: (ids: string[]) => Promise<void>;

beforeEach(async () => {
  api = new FakeApi();
  shared.dr = darkroom(api);
  const session = (assetId: string, partSize: number, headers: object) => {
    const uploadUrls = [{ partNumber: 1, url: `https://storage/${assetId}/1` }];
    return { assetId, uploadUrls, partSize, headers, expiresAt: "" };
  };
  api
    .on(
      "POST /api/uploads/session",
      json(
        { sessions: [session("a", 5, { "Content-Type": "image/png" }), session("b", PART, {})] },
        201,
      ),
    )
    .on(
      "POST /api/uploads/b/urls",
      json({ uploadUrls: [{ partNumber: 3, url: "https://storage/b/3" }], expiresAt: "" }),
    )
    .on(
      "GET /api/uploads/b",
      json({
        assetId: "b",
        status: "uploading",
        partSize: PART,
        parts: [{ partNumber: 1, sizeBytes: PART, etag: '"e"' }],
      }),
    )
    .on("POST /api/uploads/complete", json({ asset: {} }))
    .on("DELETE /api/uploads/b", new Response(null, { status: 204 }));
  files = {
    one: { id: "one", name: "a.png", type: "image/png", size: 5, meta: {} },
    two: { id: "two", name: "b.mp4", type: "video/mp4", size: 120_000_000, meta: {} },
  };
});

const uppy = () => ({
  getFile: (id: string) => files[id]!,
  setFileMeta: (id: string, meta: { assetId: string }) => void Object.assign(files[id]!.meta, meta),
  addPreProcessor: (work: typeof open) => void (open = work),
});

test("one request opens the sessions of all files, and only once", async () => {
  const options = forUppy5(uppy());

  await open(["one", "two"]);
  await open(["one", "two"]);

  expect(api.requests).toHaveLength(1);
  expect(Object.values(files).map(({ meta }) => meta.assetId)).toEqual(["a", "b"]);
  expect([
    options.shouldUseMultipart(files["one"]!),
    options.shouldUseMultipart(files["two"]!),
  ]).toEqual([false, true]);
  expect(options.getChunkSize(files["two"]!)).toBe(PART);
});

test("Uppy 5 has a hook for each step", async () => {
  const options = forUppy5(uppy());
  await open(["one", "two"]);
  const two = files["two"]!;

  expect(options.getUploadParameters(files["one"]!)).toMatchObject({
    method: "PUT",
    url: "https://storage/a/1",
  });
  expect(await options.createMultipartUpload(two)).toEqual({ uploadId: "b", key: "b" });
  expect(await options.signPart(two, { key: "b", partNumber: 3 })).toEqual({
    url: "https://storage/b/3",
  });
  expect(await options.listParts(two, { key: "b" })).toEqual([
    { PartNumber: 1, Size: PART, ETag: '"e"' },
  ]);
  expect(await options.completeMultipartUpload(two, { key: "b" })).toEqual({ location: "b" });
  await options.abortMultipartUpload(two, { key: "b" });
  expect(api.count("DELETE /api/uploads/b")).toBe(1);
});

test("Uppy 6 gets addresses, and the results of calls of the API as XML", async () => {
  const options = forUppy6(uppy());
  await open(["one", "two"]);
  const sign = async (method: string, more = {}) =>
    decodeURIComponent((await options.signRequest({ method, key: "b", ...more })).url);
  const parts = { uploadId: "b" };

  expect((await options.signRequest({ method: "PUT", key: "a" })).url).toBe("https://storage/a/1");
  expect(await sign("POST")).toContain("<UploadId>b</UploadId>");
  expect(await sign("PUT", { ...parts, partNumber: 3 })).toBe("https://storage/b/3");
  expect(await sign("GET", parts)).toContain('<PartNumber>1</PartNumber><ETag>"e"</ETag>');
  expect(await sign("POST", parts)).toContain("<CompleteMultipartUploadResult>");
  expect(api.count("POST /api/uploads/complete")).toBe(1);
  expect(await sign("DELETE", parts)).toBe("data:,");
});
