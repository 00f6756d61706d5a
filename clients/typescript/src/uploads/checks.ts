/** Wait until the API has checked uploaded files: few are read one by one, many by a list. */

import type { Core } from "../client.js";
import { DarkroomError, Forbidden, NotFound, Unauthorized } from "../errors.js";
import type { Schemas } from "../types.js";

type Asset = Schemas["AssetResponse"];
type Checked = Asset | { readonly assetId: string; readonly error: NotFound };

const SOON_MS = 1_500;
const LATER_MS = 5_000;
/** Reads at the shorter distance, before the longer one. */
const SOON_READS = 20;
const ONE_BY_ONE = 4;
const LIST_LIMIT = 100;

export async function awaitChecks(
  core: Core,
  checking: () => readonly string[],
  checked: (result: Checked) => void,
): Promise<void> {
  for (let reads = 0; checking().length > 0; reads += 1) {
    try {
      for (const result of await readAll(core, checking())) {
        if ("error" in result || ["uploaded", "failed"].includes(result.status)) checked(result);
      }
    } catch (error) {
      const ends = error instanceof Unauthorized || error instanceof Forbidden;
      if (ends || !(error instanceof DarkroomError)) throw error;
    }
    if (checking().length === 0) return;
    await core.platform.sleep(reads < SOON_READS ? SOON_MS : LATER_MS);
  }
}

async function readAll(core: Core, assetIds: readonly string[]): Promise<readonly Checked[]> {
  if (assetIds.length <= ONE_BY_ONE) return readEach(core, assetIds);
  const { data } = await core.dr.GET("/api/assets", { params: { query: { limit: LIST_LIMIT } } });
  const found = data.items.filter(({ assetId }) => assetIds.includes(assetId));
  const seen = new Set(found.map(({ assetId }) => assetId));
  const unseen = assetIds.filter((assetId) => !seen.has(assetId));
  return [...found, ...(await readEach(core, unseen.slice(0, ONE_BY_ONE)))];
}

async function readEach(core: Core, assetIds: readonly string[]): Promise<readonly Checked[]> {
  return Promise.all(
    assetIds.map(async (assetId): Promise<Checked> => {
      try {
        const params = { path: { assetId } };
        const { data } = await core.dr.GET("/api/assets/{assetId}", { params });
        return data;
      } catch (error) {
        if (error instanceof NotFound) return { assetId, error };
        throw error;
      }
    }),
  );
}
