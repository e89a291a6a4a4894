import { defineConfig } from 'vite';

export default defineConfig({
  root: 'web',
  // A data: URL would need a hole in the Content-Security-Policy.
  build: { outDir: '../dist', emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
