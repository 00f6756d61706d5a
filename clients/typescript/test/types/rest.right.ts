/** What must compile: the API's types beside those of jobs. */

import type { components } from "../../src/schema.js";
import type { Got, Path, Query, Sent } from "./routes.js";

type Schemas = components["schemas"];

declare const asset: Schemas["AssetResponse"];
declare const album: Schemas["AlbumDetailResponse"];
declare const wallet: Got<"/api/credits", "get", 200>;
declare const pricing: Got<"/api/pricing", "get", 200>;
declare const plans: Got<"/api/plans", "get", 200>;
declare const templates: Got<"/api/templates", "get", 200>;
declare const bought: Got<"/api/credits/purchase", "post", 201>;
declare const opened: Got<"/api/uploads/session", "post", 201>;
declare const purchase: Schemas["PurchaseRecord"];
declare const audit: Got<"/api/admin/audit", "get", 200>;

// Filters: words of their lists, and everything may be left out.
export const noFilters: Query<"/api/assets"> = {};
export const files: Query<"/api/assets"> = { status: "uploaded", kind: "video", sort: "duration" };
export const page: Query<"/api/assets"> = { search: "first da", tag: "summer", limit: 100 };
export const entries: Query<"/api/credits/transactions"> = { type: "REFUND", cursor: "c" };
export const stories: Query<"/api/templates"> = { mode: "story", stage: "spark", genre: "noir" };
export const undecided: Query<"/api/admin/purchases"> = { status: "mismatched", account: "a" };
export const brides: Query<"/api/reference-photos"> = { role: "bride" };
export const ofAlbum: Path<"/api/albums/{albumId}/outputs/{outputId}", "patch"> = {
  albumId: "alb_1",
  outputId: "out_1",
};

// Bodies: one file or many, a pack or credits; null only where it means something.
export const oneFile: Sent<"/api/uploads/session", "post"> = {
  filename: "a.jpg",
  sizeBytes: 5,
  mimeType: "image/jpeg",
};
export const manyFiles: Sent<"/api/uploads/session", "post"> = {
  files: [{ filename: "a.mp4", sizeBytes: 5, mimeType: "", role: "reference" }],
};
export const parts: Sent<"/api/uploads/{assetId}/urls", "post"> = { partNumbers: [2, 3] };
export const arrived: Sent<"/api/uploads/complete", "post"> = {
  assetId: "ast_1",
  etags: [{ partNumber: 1, etag: '"e"' }],
};
export const whole: Sent<"/api/uploads/complete", "post"> = { assetId: "ast_1" };
export const pack: Sent<"/api/credits/purchase", "post"> = { pack: "Value", currency: "KRW" };
export const amount: Sent<"/api/credits/purchase", "post"> = { amount: 50 };
export const renamed: Sent<"/api/assets/{assetId}", "patch"> = { filename: "b.jpg" };
export const outOfFolder: Sent<"/api/assets/{assetId}", "patch"> = { folder: null, tags: [] };
export const newAlbum: Sent<"/api/albums", "post"> = { name: "Us" };
export const noCover: Sent<"/api/albums/{albumId}", "patch"> = { coverOutputId: null };
export const moved: Sent<"/api/albums/{albumId}/outputs/{outputId}", "patch"> = {
  group: null,
  position: 1536,
  selected: true,
};
export const added: Sent<"/api/albums/{albumId}/outputs", "post"> = { outputIds: ["out_1"] };
export const face: Sent<"/api/reference-photos", "post"> = { assetId: "ast_1", role: "bride" };
export const month: Sent<"/api/jobs/{jobId}/share", "post"> = { expiresInDays: 30 };
export const forever: Sent<"/api/jobs/{jobId}/share", "post"> = {};
export const gift: Sent<"/api/admin/accounts/{accountId}/credits", "post"> = {
  amount: -5,
  reason: "mistake",
};
export const onPlan: Sent<"/api/admin/accounts/{accountId}", "patch"> = { plan: "professional" };
export const allDebt: Sent<"/api/admin/accounts/{accountId}/debt", "post"> = { reason: "lost" };
export const accepted: Sent<"/api/admin/purchases/{purchaseId}/resolve", "post"> = {
  accountId: "a",
  action: "accept",
  credits: 10,
  reason: "paid in won",
};

// Responses: words narrow, what may be absent must be looked at, the rest is there.
export const kind: "image" | "video" | "audio" = asset.kind;
export const link: string | undefined = asset.downloadUrl;
export const isUsable: boolean = asset.status === "uploaded" && asset.note !== "NO_THUMBNAIL";
export const isTooSmall: boolean = asset.errorCode === "IMAGE_TOO_SMALL";
export const seconds: number = (asset.durationMs ?? 0) / 1000;
export const lastJob: "succeeded" | undefined =
  asset.latestJob?.status === "succeeded" ? asset.latestJob.status : undefined;
export const cover: string | undefined = album.coverUrl ?? album.outputs[0]?.downloadUrl;
export const following: string | null = album.nextCursor;
export const left: number = wallet.balance - wallet.debt + wallet.held;
export const fromBonus: number | undefined = wallet.grants.find(
  (g) => g.source === "bonus",
)?.remaining;
export const jobs: string[] = wallet.transactions
  .filter((entry) => entry.referenceType === "job" && entry.type === "SETTLE")
  .map((entry) => entry.referenceId);
export const story: number = pricing.costs.story + pricing.costs.translationPerMinute;
export const isTest: boolean = pricing.gateway === "test";
export const uses: string[] = pricing.packs.map((each) => `${each.name}: ${each.for.ko}`);
export const inWon: string | undefined = pricing.packs[0]?.prices.find(
  (price) => price.currency === "KRW",
)?.amount;
export const rules: string[] = pricing.notes.map((note) => note.en);
export const names: [string, string, number][] = plans.items.map((each) => [
  each.plan,
  each.name.en,
  each.limits.storageBytes,
]);
export const looks: string[] = templates.items.flatMap((each) =>
  each.scenes.filter((scene) => scene.look.effect !== "none").map((scene) => scene.caption.en),
);
export const payAt: string | undefined =
  bought.status === "pending" ? bought.checkoutUrl : undefined;
export const sessions: Schemas["UploadSession"][] =
  "sessions" in opened ? opened.sessions : [opened];
export const isBroken: boolean = audit.breaches.some((breach) => breach.law === "L8");

export function stateOf(status: Schemas["PurchaseStatus"]): string {
  switch (status) {
    case "pending":
    case "refunding":
      return "open";
    case "settled":
    case "failed":
    case "mismatched":
    case "refunded":
      return purchase.message ?? "done";
  }
}
