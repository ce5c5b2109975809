// Takes the pictures of docs/pictures: node pictures.js URL FOLDER TEXTS, of the pages
// at URL and of every .txt file in the folder TEXTS.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(`${process.env.BROWSER_TOOLS}/`)("playwright-core");
const [base, folder, texts] = process.argv.slice(2);
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

/** As a terminal shows it. */
async function terminal(file) {
  const page = await browser.newPage({ viewport: { width: 1600, height: 800 } });
  await page.setContent("<body style='margin: 0'><pre></pre>");
  const screen = page.locator("pre");
  await screen.evaluate((pre, text) => {
    pre.textContent = text;
    pre.style = "display: inline-block; margin: 0; padding: 16px; color: #1a1c22; background: #f6f6f4; font: 13px/1.45 'DejaVu Sans Mono'";
  }, readFileSync(`${texts}/${file}`, "utf8"));
  await screen.screenshot({ path: `${folder}/${file.replace(".txt", ".png")}` });
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
for (const file of readdirSync(texts).filter((name) => name.endsWith(".txt"))) {
  await terminal(file);
}
await browser.close();
