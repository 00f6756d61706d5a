import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/*.test.ts"], testTimeout: 20_000 },
  resolve: {
    alias: { "@darkroom/client": fileURLToPath(new URL("./src/index.ts", import.meta.url)) },
  },
});
