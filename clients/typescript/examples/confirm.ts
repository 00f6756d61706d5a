/** node confirm.ts photo.jpg: show the price, then confirm exactly that price. */

import { dr, upload } from "./connect.ts";

const photoAssetIds = await upload(process.argv.slice(2));
const inputs = { photoAssetIds, stage: "spark", genre: "romance" } as const;
const { data: quote } = await dr.POST("/api/jobs/quote", { body: { recipe: "story", inputs } });
console.log(`It costs ${quote.credits}, you have ${quote.balance}.`);

const press = dr.action(); // The user has pressed the button.
const { data: job } = await dr.POST("/api/jobs/confirm", {
  body: { mode: "story", ...inputs, quoteId: quote.quoteId },
  action: press,
});
console.log(`${job.jobId} is ${job.status}: ${job.creditsReserved} reserved, ${job.balance} left.`);
