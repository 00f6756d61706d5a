/** node upload.ts FILE…: send files from the disk, large ones in parts, and show how far they are. */

import { dr, filesOf } from "./connect.ts";

const batch = dr.uploads.start(await filesOf(process.argv.slice(2)), {
  onChange: ({ name, status, sentBytes, size }) =>
    console.log(`${name}: ${status} ${Math.floor((100 * sentBytes) / size)} %`),
});
for (const { name, status, assetId, error } of await batch.done) {
  console.log(`${name}: ${status} ${assetId ?? ""} ${error?.code ?? ""}`);
}
