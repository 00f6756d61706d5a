/** node adjust.ts ACCOUNT AMOUNT REASON…: add or remove credits of an account (operators only). */

import { Forbidden } from "@darkroom/client";
import { dr } from "./connect.ts";

const [accountId = "", amount = "", ...reason] = process.argv.slice(2);
const params = { path: { accountId } };
try {
  const { data: account } = await dr.GET("/api/admin/accounts/{accountId}", { params });
  await dr.POST("/api/admin/accounts/{accountId}/credits", {
    params,
    body: { amount: Number(amount), reason: reason.join(" ") },
    action: dr.action(),
  });
  const { data: after } = await dr.GET("/api/admin/accounts/{accountId}", { params });
  console.log(`${account.balance} → ${after.balance}`);
} catch (error) {
  if (!(error instanceof Forbidden)) throw error;
  console.log("This is for operators.");
}
