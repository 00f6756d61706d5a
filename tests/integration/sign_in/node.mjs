// node node.mjs <configuration of each scenario, as JSON>: prints what each step left, as JSON.

import * as scenarios from "./scenarios.mjs";

const seen = {};
for (const [scenario, config] of Object.entries(JSON.parse(process.argv[2]))) {
  seen[scenario] = await scenarios[scenario](config);
}
console.log(JSON.stringify(seen));
