/** What the examples share: a client for DARKROOM_URL, with the token of DARKROOM_TOKEN. */

import { openAsBlob } from "node:fs";
import { basename } from "node:path";
import { createDarkroom } from "@darkroom/client";
import type { NamedBlob } from "@darkroom/client";

export const dr = createDarkroom({
  baseUrl: process.env["DARKROOM_URL"] ?? "http://127.0.0.1:8787",
  token: () => process.env["DARKROOM_TOKEN"],
});

/** The files that the command names; they are read when they are sent. */
export async function filesOf(paths: readonly string[]): Promise<NamedBlob[]> {
  return Promise.all(
    paths.map(async (path) => ({ name: basename(path), blob: await openAsBlob(path) })),
  );
}

/** Upload files and wait until they are checked; returns their ids. */
export async function upload(paths: readonly string[]): Promise<string[]> {
  const items = await dr.uploads.start(await filesOf(paths)).done;
  return items.map(({ name, asset, error }) => {
    if (asset?.status !== "uploaded") throw new Error(`${name}: ${error?.message}`);
    return asset.assetId;
  });
}
