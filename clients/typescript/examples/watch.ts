/** node watch.ts photo.jpg: follow a job until it has ended, and print where its files are. */

import { isFinal } from "@darkroom/client";
import { dr, upload } from "./connect.ts";

const photoAssetIds = await upload(process.argv.slice(2));
const { data: confirmed } = await dr.POST("/api/jobs/confirm", {
  body: { mode: "quick", stage: "spark", genre: "romance", photoAssetIds },
  action: dr.action(),
});

await new Promise<void>((resolve, reject) => {
  const stop = dr.jobs.watch({
    jobIds: [confirmed.jobId],
    onState: (state) => console.log(`(${state})`),
    onError: reject,
    onJob: ({ jobId, status, progress }) => {
      console.log(`${jobId} ${status} ${progress.percent} %`);
      if (jobId !== confirmed.jobId || !isFinal({ status })) return;
      setTimeout(() => stop()); // Not before `watch` has returned.
      resolve();
    },
  });
});
const { data: job } = await dr.GET("/api/jobs/{jobId}", {
  params: { path: { jobId: confirmed.jobId } },
});
for (const { key, downloadUrl } of job.outputs) console.log(`${key}: ${downloadUrl}`);
