/** What must not compile: one mistake under each `@ts-expect-error`. */

import type { components, paths } from "../../src/schema.js";
import type { Got, Query, Sent } from "./routes.js";

type Schemas = components["schemas"];

declare const asset: Schemas["AssetResponse"];
declare const album: Schemas["AlbumResponse"];
declare const wallet: Got<"/api/credits", "get", 200>;
declare const pricing: Got<"/api/pricing", "get", 200>;
declare const plans: Got<"/api/plans", "get", 200>;
declare const templates: Got<"/api/templates", "get", 200>;
declare const bought: Got<"/api/credits/purchase", "post", 201>;
declare const opened: Got<"/api/uploads/session", "post", 201>;
declare const purchase: Schemas["PurchaseRecord"];
declare const audit: Got<"/api/admin/audit", "get", 200>;

// @ts-expect-error: no such path
export type NoPath = paths["/api/asset"];
// @ts-expect-error: no such schema
export type NoSchema = Schemas["Asset"];
// @ts-expect-error: no state of a file
export const state: Query<"/api/assets"> = { status: "done" };
// @ts-expect-error: no kind of a file
export const kind: Query<"/api/assets"> = { kind: "photo" };
// @ts-expect-error: no order of files
export const sort: Query<"/api/assets"> = { sort: "size" };
// @ts-expect-error: an unknown filter
export const filter: Query<"/api/assets"> = { folder: "Holidays" };
// @ts-expect-error: a filter is left out, never null
export const nothing: Query<"/api/assets"> = { tag: null };
// @ts-expect-error: a number as text
export const limit: Query<"/api/albums"> = { limit: "20" };
// @ts-expect-error: no type of an entry
export const type: Query<"/api/credits/transactions"> = { type: "refund" };
// @ts-expect-error: no genre
export const genre: Query<"/api/templates"> = { genre: "western" };
// @ts-expect-error: a recipe without templates
export const mode: Query<"/api/templates"> = { mode: "captions" };
// @ts-expect-error: no state of a purchase
export const settled: Query<"/api/admin/purchases"> = { status: "paid" };

// @ts-expect-error: neither one file nor many
export const noFile: Sent<"/api/uploads/session", "post"> = {};
// @ts-expect-error: one file without its size
export const noSize: Sent<"/api/uploads/session", "post"> = { filename: "a", mimeType: "" };
// @ts-expect-error: a file of many without its type
export const noType: Sent<"/api/uploads/session", "post"> = { files: [{ filename: "a", sizeBytes: 1 }] };
// @ts-expect-error: ids instead of files
export const ids: Sent<"/api/uploads/session", "post"> = { files: ["ast_1"] };
// @ts-expect-error: parts are numbers
export const parts: Sent<"/api/uploads/{assetId}/urls", "post"> = { partNumbers: ["1"] };
// @ts-expect-error: etags have their part
export const etags: Sent<"/api/uploads/complete", "post"> = { assetId: "a", etags: ["e"] };
// @ts-expect-error: neither a pack nor credits
export const noPack: Sent<"/api/credits/purchase", "post"> = {};
// @ts-expect-error: no pack
export const pack: Sent<"/api/credits/purchase", "post"> = { pack: "Huge" };
// @ts-expect-error: a currency that nothing is sold in
export const currency: Sent<"/api/credits/purchase", "post"> = { pack: "Pro", currency: "EUR" };
// @ts-expect-error: credits are whole numbers, not text
export const amount: Sent<"/api/credits/purchase", "post"> = { amount: "50" };
// @ts-expect-error: a name is never null
export const unnamed: Sent<"/api/assets/{assetId}", "patch"> = { filename: null };
// @ts-expect-error: left out, not undefined
export const undefinedName: Sent<"/api/assets/{assetId}", "patch"> = { filename: undefined };
// @ts-expect-error: tags are a list
export const tags: Sent<"/api/assets/{assetId}", "patch"> = { tags: "summer" };
// @ts-expect-error: the state is not the client's to change
export const done: Sent<"/api/assets/{assetId}", "patch"> = { status: "uploaded" };
// @ts-expect-error: an album has a name
export const noName: Sent<"/api/albums", "post"> = {};
// @ts-expect-error: the name of an album is never null
export const nullName: Sent<"/api/albums/{albumId}", "patch"> = { name: null };
// @ts-expect-error: a position is never null
export const noPosition: Sent<"/api/albums/{albumId}/outputs/{outputId}", "patch"> = { position: null };
// @ts-expect-error: a reference photo has a role
export const noRole: Sent<"/api/reference-photos", "post"> = { assetId: "ast_1" };
// @ts-expect-error: days, not a date
export const days: Sent<"/api/jobs/{jobId}/share", "post"> = { expiresInDays: "2026-02-01" };
// @ts-expect-error: without a reason
export const noReason: Sent<"/api/admin/accounts/{accountId}/credits", "post"> = { amount: 5 };
// @ts-expect-error: no plan
export const plan: Sent<"/api/admin/accounts/{accountId}", "patch"> = { plan: "gold" };
// @ts-expect-error: no decision
export const decision: Schemas["ResolvePurchaseRequest"] = { accountId: "a", action: "keep", reason: "r" };

// @ts-expect-error: there may be no link yet
export const link: string = asset.downloadUrl;
// @ts-expect-error: absent, never null
export const thumbnail: string | null = asset.thumbnailUrl;
// @ts-expect-error: no state of a file
export const isReady: boolean = asset.status === "ready";
// @ts-expect-error: no reason of a failed upload
export const isVirus: boolean = asset.errorCode === "VIRUS";
// @ts-expect-error: no note on a file
export const isRotated: boolean = asset.note === "ROTATED";
// @ts-expect-error: durations are in milliseconds
export const seconds: number | undefined = asset.durationSec;
// @ts-expect-error: an album may have no cover
export const cover: string = album.coverUrl;
// @ts-expect-error: a list of albums has no outputs
export const outputs: unknown = album.outputs;
// @ts-expect-error: null at the end of a list
export const cursor: string = wallet.nextCursor;
// @ts-expect-error: no source of credits
export const isGift: boolean = wallet.grants[0]?.source === "gift";
// @ts-expect-error: no type of an entry
export const isSpent: boolean = wallet.transactions[0]?.type === "SPEND";
// @ts-expect-error: an entry does not refer to assets
export const ofAsset: boolean = wallet.transactions[0]?.referenceType === "asset";
// @ts-expect-error: nothing costs this
export const poster: number = pricing.costs.poster;
// @ts-expect-error: costs are numbers
export const story: string = pricing.costs.story;
// @ts-expect-error: no gateway
export const isPaypal: boolean = pricing.gateway === "paypal";
// @ts-expect-error: prices are exact decimals, as text
export const price: number | undefined = pricing.packs[0]?.price;
// @ts-expect-error: labels are in English and Korean
export const label: string | undefined = pricing.packs[0]?.for.de;
// @ts-expect-error: no rule
export const isFree: boolean = pricing.notes[0]?.code === "FREE_FRIDAY";
// @ts-expect-error: no limit
export const jobs: number | undefined = plans.items[0]?.limits.jobs;
// @ts-expect-error: a plan has a name in two languages
export const planName: string | undefined = plans.items[0]?.name;
// @ts-expect-error: no effect of a scene
export const fire: boolean = templates.items[0]?.scenes[0]?.look.effect === "fire";
// @ts-expect-error: there is no checkout when the credits were added at once
export const checkout: string = bought.checkoutUrl;
// @ts-expect-error: many sessions have no link of their own
export const one: string = opened.assetId;
// @ts-expect-error: no law
export const law: boolean = audit.breaches[0]?.law === "L0";

// @ts-expect-error: not every state is handled
export function stateOf(status: Schemas["PurchaseStatus"]): string {
  switch (status) {
    case "pending":
      return "open";
    case "settled":
      return purchase.message ?? "done";
  }
}
