/** node credits.ts photo.jpg: what to do when credits are missing, and how to buy them. */

import { CreditsInsufficient } from "@darkroom/client";
import { dr, upload } from "./connect.ts";

const photoAssetIds = await upload(process.argv.slice(2));
const inputs = { photoAssetIds, stage: "spark", genre: "comedy" } as const;
const confirm = () =>
  dr.POST("/api/jobs/confirm", { body: { mode: "trailer", ...inputs }, action: dr.action() });

await confirm(); // Five credits: all that a new account has.
try {
  await confirm();
} catch (error) {
  if (!(error instanceof CreditsInsufficient)) throw error;
  const [pack] = error.suggestions;
  console.log(
    `This costs ${error.needed}, you have ${error.balance}; ${error.shortfall} are missing.`,
  );
  if (pack === undefined) throw error;
  const { data } = await dr.POST("/api/credits/purchase", {
    body: { pack: pack.pack },
    action: dr.action(),
  });
  // With Stripe: send the user to `checkoutUrl`, and come back here. The test gateway pays at once.
  if (data.checkoutUrl === undefined) console.log(`Bought ${pack.pack}.`);
  else console.log(`Pay at ${data.checkoutUrl}`);
}
const { data: wallet } = await dr.GET("/api/credits");
console.log(`The balance is ${wallet.balance}.`);
