// node node.mjs <scenario> <configuration as JSON>: prints what each step left, as JSON.

import * as scenarios from "./scenarios.mjs";

const [scenario, config] = process.argv.slice(2);
console.log(JSON.stringify(await scenarios[scenario](JSON.parse(config))));
