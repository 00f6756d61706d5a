/** node csv.ts: all jobs of the account as a table, page by page, and as the API's own CSV. */

import { dr } from "./connect.ts";

for await (const { jobId, recipe, status, receipt, createdAt } of dr.pages("/api/jobs")) {
  console.log([jobId, recipe, status, receipt.used, createdAt].join("\t"));
}
const { data: csv, response } = await dr.GET("/api/jobs.csv", {
  params: { query: { limit: 100 } },
});
console.log(csv);
console.log(response.headers.has("Link") ? "There are more." : "These are all.");
