// Takes the pictures of docs/pictures: node pictures.js URL FOLDER.
import { createRequire } from "node:module";

const { chromium } = createRequire(`${process.env.BROWSER_TOOLS}/`)("playwright-core");
const [base, folder] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.BROWSER,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic"],
});

async function picture(name, path, colorScheme, width, height, prepare) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height } });
  await page.goto(base + path);
  await prepare?.(page);
  await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled" });
  await page.close();
}

/** Long enough for the chart to have something to show. */
const wait = (page) => page.waitForTimeout(45000);

async function search(page) {
  await page.locator("g.frame").first().waitFor();
  await page.locator("#search").fill("remember");
  await page.waitForTimeout(500);
}

await Promise.all([
  picture("page-light", "", "light", 1024, 840, wait),
  picture("page-dark", "", "dark", 1024, 840, wait),
  picture("page-narrow", "", "light", 320, 840, wait),
]);
await picture("flamegraph-light", "ui/flamegraph?si=alloc_space", "light", 1024, 760, search);
await picture("flamegraph-dark", "ui/flamegraph?si=alloc_space", "dark", 1024, 760, search);
await picture("top", "ui/top?si=inuse_space", "light", 1024, 420);
await browser.close();
