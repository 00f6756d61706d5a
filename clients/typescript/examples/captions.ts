/** node captions.ts FILE…: captions of many recordings, with one draft for each and one start for all. */

import { dr, upload } from "./connect.ts";

const assetIds = await upload(process.argv.slice(2));
const { data: drafts } = await dr.POST("/api/jobs", {
  body: {
    recipe: "captions",
    status: "draft",
    inputs: { assetIds, options: { sourceLang: "en", translate: false, outputFormats: ["srt"] } },
  },
  action: dr.action(),
});
const { data: started } = await dr.POST("/api/jobs/bulk/run", {
  body: { jobIds: drafts.jobs.map(({ jobId }) => jobId) },
  action: dr.action(),
});
for (const result of started.results) {
  const { jobId } = result;
  if (!result.ok) {
    console.log(`${jobId}: ${result.code}`); // For example, the balance does not cover it.
    continue;
  }
  const job = await dr.jobs.wait(jobId);
  for (const { type, downloadUrl } of job.outputs) {
    if (type === "srt") console.log(await (await fetch(downloadUrl)).text());
  }
  console.log(`${jobId}: ${job.status}`);
}
