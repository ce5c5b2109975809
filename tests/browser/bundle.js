// Makes the flame graph's viewer: node bundle.js FILE.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const { build } = createRequire(`${process.env.BROWSER_TOOLS}/`)("esbuild");
await build({
  entryPoints: [fileURLToPath(new URL("viewer.js", import.meta.url))],
  outfile: process.argv[2],
  nodePaths: [`${process.env.BROWSER_TOOLS}/node_modules`],
  bundle: true,
  minify: true,
  format: "iife",
  legalComments: "inline",
  // Its colours would be those of one theme.
  loader: { ".css": "empty" },
  banner: { js: "/* d3-flame-graph (Apache-2.0) and D3 (ISC, BSD-3-Clause): see README.md */" },
});
