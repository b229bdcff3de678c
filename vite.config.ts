import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { defineConfig, type Plugin } from "vite";

/** Every Lucide icon that a template or an island names; others are not shipped. */
const ICONS = [
  "archive", "archive-restore", "arrow-left", "arrow-right", "bell", "bell-off", "camera", "check", "chevron-left", "chevron-right", "chevron-up",
  "circle-alert", "circle-check", "circle-user-round", "clock", "copy", "door-open", "download", "eye", "eye-off",
  "flag", "folder-input", "folder-up", "heart", "image-plus", "image-up", "images", "info", "keyboard", "link", "lock", "log-out", "mail", "map-pin",
  "pause", "pencil", "play", "plus", "printer",
  "qr-code", "refresh-cw", "rotate-ccw", "scan-face", "search", "send", "share-2", "shield-check", "square-check", "switch-camera", "trash-2",
  "undo-2", "user-plus", "user-round-x", "users-round", "x",
];

/** What of other people's work is in the build; their licences ask to come along. */
const SHIPPED = [
  "@fontsource-variable/bricolage-grotesque", "@fontsource-variable/hanken-grotesk", "lucide-static", "photoswipe",
  "tus-js-client", "js-base64", "url-parse", "requires-port", "querystringify",
];

function folderOf(part: string): string {
  return join(import.meta.dirname, "node_modules", part);
}

function licences(): string {
  const text = (part: string): string => {
    const file = ["LICENSE", "LICENSE.md"].find((name) => existsSync(join(folderOf(part), name))) ?? "LICENSE";
    return readFileSync(join(folderOf(part), file), "utf8").trim();
  };
  const yunet = readFileSync(join(import.meta.dirname, "frontend", "parts", "selfie", "yunet.LICENSE"), "utf8");
  return [...SHIPPED.map((part) => `${part}\n\n${text(part)}\n`), `YuNet (weights)\n\n${yunet}`].join("\n\n");
}

/** One SVG file with a symbol for each icon; pages refer to them with `<use href="…#name">`. */
function sprite(): string {
  const symbols = ICONS.map((name) => {
    const source = readFileSync(join(folderOf("lucide-static"), "icons", `${name}.svg`), "utf8");
    const shapes = source.replace(/<!--[^]*?-->/g, "").replace(/<svg[^>]*>|<\/svg>/g, "").replace(/\s+/g, " ").trim();
    return `<symbol id="${name}" viewBox="0 0 24 24" stroke="currentColor" stroke-width="1.75" `
      + `stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`;
}

/** Puts files that no script imports into the build and its manifest, under their names below `frontend/`. */
function pictures(): Plugin {
  return {
    name: "pictures",
    generateBundle() {
      const favicon = readFileSync(new URL("./frontend/favicon.svg", import.meta.url), "utf8");
      const files: Record<string, string | Uint8Array> = {
        "icons.svg": sprite(), "favicon.svg": favicon, "licences.txt": licences(),
      };
      // Of the installed app; `tools/icons` draws them.
      for (const name of readdirSync(join(import.meta.dirname, "frontend", "app"))) {
        files[`app/${name}`] = readFileSync(join(import.meta.dirname, "frontend", "app", name));
      }
      for (const [name, source] of Object.entries(files)) {
        this.emitFile({ type: "asset", name: basename(name), originalFileName: name, source });
      }
    },
  };
}

export default defineConfig({
  root: "frontend",
  base: "/static/",
  plugins: [pictures()],
  build: {
    outDir: "../src/trouvaille/web/static",
    emptyOutDir: true,
    manifest: true,
    target: ["chrome111", "safari16.4", "firefox114"],
    // A font or a picture inside a style sheet would need `data:` in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      // Files of a kilobyte each cost a slow connection a journey each: what pages share comes in one, and what shows photos.
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            { name: "shared", test: /frontend\/parts\/(?:find|ask|live|snack)\.ts$|preload-helper/ },
            { name: "photos", test: /frontend\/parts\/(?:lightbox|faces|share)\.ts$/ },
          ],
        },
      },
      input: ["styles/main.css", "islands/page.ts", "islands/camera.ts", "islands/gallery.ts", "islands/desk.ts",
        "islands/settings.ts", "islands/checks.ts", "islands/status.ts", "islands/retry.ts", "islands/requests.ts",
        "islands/wall.ts", "islands/news.ts", "islands/told.ts", "islands/imports.ts", "islands/watermark.ts",
        "islands/offline.ts"]
        .map((source) => join(import.meta.dirname, "frontend", source)),
    },
  },
});
