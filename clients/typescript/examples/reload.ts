/** node reload.ts photo.jpg: a request whose response is lost is sent again after a reload, once. */

import { createDarkroom, Offline } from "@darkroom/client";
import { dr, upload } from "./connect.ts";

const kept = new Map<string, string>(); // In a page: `sessionStorage`.
const storage = {
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => void kept.set(key, value),
  removeItem: (key: string) => void kept.delete(key),
};
const photoAssetIds = await upload(process.argv.slice(2));

const unlucky = createDarkroom({
  baseUrl: process.env["DARKROOM_URL"] ?? "http://127.0.0.1:8787",
  token: () => process.env["DARKROOM_TOKEN"],
  retries: { attempts: 1 },
  platform: {
    fetch: async (request) => {
      await fetch(request);
      throw new TypeError("The connection broke after the API had confirmed the job.");
    },
  },
});
try {
  await unlucky.POST("/api/jobs/confirm", {
    body: { mode: "story", stage: "spark", genre: "romance", photoAssetIds },
    action: unlucky.action({ name: "confirm", storage }),
  });
} catch (error) {
  if (!(error instanceof Offline)) throw error;
}

// The page is loaded again.
const open = await dr.unfinished({ name: "confirm", storage });
const answer = await open?.repeat();
console.log(`Sent again: ${answer?.response.status}, replayed: ${answer?.replayed}.`);
const { data: page } = await dr.GET("/api/jobs");
console.log(`There is ${page.items.length} job.`);
