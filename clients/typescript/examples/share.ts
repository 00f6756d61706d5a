/** node share.ts photo.jpg: make a clip and a public link to it, then withdraw the link. */

import { createDarkroom, NotFound } from "@darkroom/client";
import { dr, upload } from "./connect.ts";

const photoAssetIds = await upload(process.argv.slice(2));
const { data: confirmed } = await dr.POST("/api/jobs/confirm", {
  body: { mode: "quick", stage: "spark", genre: "romance", photoAssetIds },
  action: dr.action(),
});
const { jobId } = await dr.jobs.wait(confirmed.jobId);
const { data: share } = await dr.POST("/api/jobs/{jobId}/share", {
  params: { path: { jobId } },
  body: { expiresInDays: 7 },
  action: dr.action(),
});
console.log(share.url);

// Who opens the link has no token. Each read counts as a view.
const visitor = createDarkroom({ baseUrl: process.env["DARKROOM_URL"] ?? "http://127.0.0.1:8787" });
const shared = { params: { path: { token: share.token } } };
const { data: seen } = await visitor.GET("/api/shares/{token}", shared);
console.log(`A visitor sees ${seen.outputs.length} files.`);

await dr.DELETE("/api/jobs/{jobId}/share", { params: { path: { jobId } } });
await visitor.GET("/api/shares/{token}", shared).catch((error: unknown) => {
  if (!(error instanceof NotFound)) throw error;
  console.log("The link does not work any more.");
});
