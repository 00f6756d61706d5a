/** node regenerate.ts photo.jpg: make a story, then make its second clip again. */

import { dr, upload } from "./connect.ts";

const photoAssetIds = await upload(process.argv.slice(2));
const { data: confirmed } = await dr.POST("/api/jobs/confirm", {
  body: { mode: "story", stage: "together", genre: "noir", photoAssetIds },
  action: dr.action(),
});
const story = await dr.jobs.wait(confirmed.jobId);

const { data } = await dr.POST("/api/jobs/{jobId}/regenerate", {
  params: { path: { jobId: story.jobId } },
  body: { target: "story_clip", clipNo: 2 },
  action: dr.action(),
});
const child = await dr.jobs.wait(data.jobId);
const made = child.outputs.filter((output) => output.inheritedFrom === undefined);
console.log(
  `${child.status}: ${made.map(({ key }) => key).join(", ")}; ${child.receipt.used} used.`,
);
