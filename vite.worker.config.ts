import { join } from "node:path";
import { defineConfig } from "vite";

/** The service worker, and what is served in its place where it is off: one classic script each, without a hash. */
export default defineConfig({
  root: "frontend",
  build: {
    outDir: "../src/trouvaille/web/static/worker",
    emptyOutDir: true,
    target: ["chrome111", "safari16.4", "firefox114"],
    modulePreload: false,
    copyPublicDir: false,
    rollupOptions: {
      // They share no module, so neither imports anything.
      input: { sw: join(import.meta.dirname, "frontend/worker/main.ts"), off: join(import.meta.dirname, "frontend/worker/off.ts") },
      output: { format: "es", entryFileNames: "[name].js" },
    },
  },
});
