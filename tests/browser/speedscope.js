// A profile of a live program in speedscope: node speedscope.js URL FUNCTION. See
// pages.js for BROWSER and BROWSER_TOOLS.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, extname, join, normalize } from "node:path";

const tools = createRequire(`${process.env.BROWSER_TOOLS}/`);
const { chromium } = tools("playwright-core");
const release = join(dirname(tools.resolve("speedscope/package.json")), "dist/release");
const [base, name] = process.argv.slice(2);

const TYPES = { ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

// Speedscope's own files, and the profile beside them: heapprof gives pages of others none.
const server = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    if (path === "/heap.pb.gz") {
      const answer = await fetch(`${base}heap`);
      assert.equal(answer.status, 200);
      response.end(Buffer.from(await answer.arrayBuffer()));
    } else {
      const file = await readFile(join(release, path));
      response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
      response.end(file);
    }
  } catch {
    response.statusCode = 404;
    response.end();
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const browser = await chromium.launch({
  executablePath: process.env.BROWSER,
  // It draws with WebGL.
  args: ["--no-sandbox", "--disable-quic", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});
const page = await browser.newPage();
const problems = [];
page.on("pageerror", (error) => problems.push(`${error}`));
page.on("dialog", (dialog) => {
  problems.push(dialog.message());
  dialog.dismiss();
});
await page.goto(`http://127.0.0.1:${server.address().port}/index.html#profileURL=/heap.pb.gz&view=sandwich`);
// The table of functions, which is text.
await page.getByText(name).first().waitFor({ timeout: 30_000 });
if (process.argv[4]) await page.screenshot({ path: process.argv[4] });
assert.deepEqual(problems, []);

await browser.close();
server.close();
