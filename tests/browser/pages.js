// The pages in a real browser: node pages.js URL. What playwright-core is, and the
// browser, is told by BROWSER_TOOLS (a folder with node_modules) and BROWSER.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const tools = createRequire(`${process.env.BROWSER_TOOLS}/`);
const { chromium } = tools("playwright-core");
const base = process.argv[2];
const HOSTILE = ["<script>alert(1)</script>;<img src=x onerror=alert(2)>", "\"'`${alert(3)}&lt;\u202eé"];
const VIEWS = ["", "ui/flamegraph?si=inuse_space", "ui/top?si=inuse_space"];

const browser = await chromium.launch({
  executablePath: process.env.BROWSER,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic"],
});

/** A page that fails the test at whatever it complains of, and at what it asks others for. */
async function open(path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.problems = [];
  const complain = (text) => page.problems.push(`${path}: ${text}`);
  page.on("console", (message) => complain(`console: ${message.text()}`));
  page.on("pageerror", (error) => complain(`error: ${error}`));
  page.on("dialog", (dialog) => complain(`a script ran: ${dialog.message()}`));
  page.on("requestfailed", (request) => complain(`failed: ${request.url()}`));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(base).origin) complain(`outside: ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) complain(`${response.status()}: ${response.url()}`);
  });
  await page.goto(base + path);
  return page;
}

async function close(page) {
  assert.deepEqual(page.problems, []);
  await page.context().close();
}

/** Waits until an expression in the page is true. */
const until = (page, condition, argument) => page.waitForFunction(condition, argument, { timeout: 20000 });

const drawn = (page) => until(page, () => document.querySelectorAll("g.frame").length > 3);
const details = (page) => page.locator("#details").textContent();

const tests = {
  async "a policy forbids what is inline, and holds"() {
    const response = await fetch(base);
    const policy = response.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|data:/);

    // That it holds, and that a violation would be seen here.
    const page = await open("");
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'ran'";
      document.body.append(script);
    });
    assert.notEqual(await page.title(), "ran");
    await until(page, () => document.querySelector("script:not([src])"));
    assert.match(page.problems.join(), /Content Security Policy/i);
    await page.context().close();
  },

  async "everything that Go's page has is there"() {
    const page = await open("");
    const rows = page.locator(".profiles tbody tr");
    const names = await rows.locator("td:nth-child(2)").allTextContents();
    for (const name of ["allocs", "cmdline", "heap", "profile", "symbol"]) assert.ok(names.includes(name), name);
    assert.deepEqual(names, names.toSorted());
    for (let at = 0; at < names.length; at++) {
      const cells = rows.nth(at).locator("td");
      assert.match(await cells.nth(0).textContent(), /^\d+$/);
      assert.equal(await cells.nth(1).locator("a").getAttribute("href"), `${names[at]}?debug=1`);
      assert.ok((await cells.nth(2).textContent()).length > 10, names[at]);
    }
    await close(page);
  },

  async "every link leads somewhere"() {
    for (const view of VIEWS) {
      const page = await open(view);
      const links = await page.locator("a").evaluateAll((links) => links.map((link) => link.href));
      assert.ok(links.length > 4);
      for (const link of new Set(links)) {
        // It takes its seconds.
        if (new URL(link).pathname.endsWith("/profile")) continue;
        const response = await fetch(link);
        assert.equal(response.status, 200, link);
        assert.equal(response.headers.get("x-content-type-options"), "nosniff", link);
      }
      await close(page);
    }
  },

  async "figures and chart move while the page is open"() {
    const page = await open("");
    const line = () => page.locator("path.line.in-use").getAttribute("d");
    await until(page, () => document.querySelector("path.line.in-use")?.getAttribute("d").includes("L"));
    const [before, allocated] = [await line(), await page.locator("#allocated").textContent()];
    await until(page, (before) => document.querySelector("path.line.in-use").getAttribute("d") !== before, before);
    await until(page, (before) => document.getElementById("allocated").textContent !== before, allocated);
    assert.match(await page.locator("path.line.resident").getAttribute("d"), /L/);
    assert.match(await page.locator("#plot").getAttribute("aria-label"), /In use: .*iB.*Resident: .*iB/);
    await page.locator("#plot").focus();
    await page.keyboard.press("ArrowLeft");
    assert.match(await page.locator("#chart-at").textContent(), /ago: .* in use, .* resident/);
    await close(page);
  },

  async "the memory is divided"() {
    const page = await open("");
    const rows = await page.locator(".places tr").evaluateAll((rows) =>
      rows.map((row) => ({ name: row.cells[0].textContent, bytes: row.cells[1].textContent })),
    );
    assert.ok(rows.length >= 4, rows.length);
    for (const { name, bytes } of rows) assert.match(bytes, /^([\d.]+ [KMG]iB|\d+ bytes)$/, name);
    const all = page.locator("details pre");
    assert.ok(!(await all.isVisible()));
    await page.locator("summary").click();
    assert.match(await all.textContent(), /resident +\d+\.\d+/);
    assert.ok(await all.isVisible());
    await close(page);
  },

  async "two snapshots are compared"() {
    const page = await open("");
    for (const count of [1, 2]) {
      await page.getByRole("button", { name: "Take a snapshot" }).click();
      await until(page, (count) => document.querySelectorAll(".snapshots li").length === count, count);
    }
    await page.locator("tr", { hasText: "Growth" }).getByRole("link", { name: "table" }).click();
    assert.match(await page.locator("h1").textContent(), /Growth/);
    await close(page);
  },

  async "the flame graph zooms by mouse"() {
    const page = await open(VIEWS[1]);
    await drawn(page);
    await page.locator('g.frame[name="subject::main"]').click();
    await until(page, () => document.querySelector("g.frame.fade"));
    assert.match(await details(page), /^subject::main: /);
    await page.getByRole("button", { name: "Reset zoom" }).click();
    await until(page, () => !document.querySelector("g.frame.fade"));
    await close(page);
  },

  async "the flame graph searches"() {
    const page = await open(VIEWS[1]);
    await drawn(page);
    // Not a pattern, and of any case.
    await page.locator("#search").fill("<SCRIPT>alert(");
    await until(page, () => document.getElementById("found").textContent.startsWith("1 frame,"));
    const marked = await page.locator('g.frame:has(rect[fill="var(--match)"])').count();
    assert.equal(marked, 1);
    await page.locator("#search").fill("");
    await until(page, () => document.getElementById("found").textContent === "");
    await close(page);
  },

  async "the flame graph is used by keyboard alone"() {
    const page = await open(VIEWS[1]);
    await drawn(page);
    for (let presses = 0; !(await page.evaluate(() => document.activeElement.matches("g.frame"))); presses++) {
      assert.ok(presses < 30, "Tab does not come to the graph");
      await page.keyboard.press("Tab");
    }
    assert.match(await details(page), /^all: /);
    await page.keyboard.press("ArrowDown");
    const child = await details(page);
    assert.doesNotMatch(child, /^all: /);
    // Down to where it branches, and to the side.
    for (let depth = 0; depth < 60; depth++) await page.keyboard.press("ArrowDown");
    const deepest = await details(page);
    await page.keyboard.press("ArrowUp");
    assert.notEqual(await details(page), deepest);
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelector("g.frame.fade"));
    await page.keyboard.press("Escape");
    await until(page, () => !document.querySelector("g.frame.fade"));
    assert.ok(await page.evaluate(() => document.activeElement.matches("g.frame")), "the focus was lost");
    await page.keyboard.press("Home");
    assert.match(await details(page), /^all: /);
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "search");
    await close(page);
  },

  async "the Tab key comes to everything"() {
    for (const view of VIEWS) {
      const page = await open(view);
      if (view.includes("flame")) await drawn(page);
      const wanted = await page.evaluate(() => {
        const all = [...document.querySelectorAll("a, button, input, [tabindex='0']")];
        const reachable = all.filter((element) => !element.disabled && element.checkVisibility());
        reachable.forEach((element, at) => element.setAttribute("data-at", at));
        return reachable.length;
      });
      const seen = new Set();
      for (let presses = 0; presses < wanted + 5; presses++) {
        await page.keyboard.press("Tab");
        seen.add(await page.evaluate(() => document.activeElement.getAttribute("data-at")));
      }
      seen.delete(null);
      assert.equal(seen.size, wanted, view);
      await close(page);
    }
  },

  async "hostile names stay text"() {
    const page = await open(VIEWS[1]);
    await drawn(page);
    for (const name of HOSTILE) {
      const frame = await page.evaluate((name) => {
        return [...document.querySelectorAll("g.frame")].some((frame) => frame.getAttribute("name") === name);
      }, name);
      assert.ok(frame, name);
    }
    assert.equal(await page.locator("script:not([src]), img").count(), 0);
    await close(page);

    const top = await open("ui/top?si=inuse_space");
    const sites = await top.locator("td code").allTextContents();
    for (const name of HOSTILE) assert.ok(sites.includes(name), name);
    assert.equal(await top.locator("script:not([src]), img").count(), 0);
    // The program's file has such a name too.
    assert.match(await top.title(), /<i>"'&é/);
    await close(top);

    const folded = await (await fetch(`${base}ui/folded?si=inuse_space`)).text();
    for (const name of HOSTILE) assert.ok(folded.includes(name.replaceAll(";", ":")), name);
    assert.match(folded, /größte_日本/);

    const threads = await fetch(`${base}goroutine?debug=2`);
    if (threads.ok) {
      assert.match(threads.headers.get("content-type"), /^text\/plain/);
      // In quotes, and hence with a backslash.
      assert.ok((await threads.text()).includes("<b>'\\\"&é"));
    }
  },

  async "narrow, dark and light: nothing sticks out, and colours follow"() {
    for (const view of VIEWS) {
      const colours = new Set();
      for (const [colorScheme, width] of [["light", 320], ["dark", 320], ["light", 768]]) {
        const page = await open(view, { colorScheme, viewport: { width, height: 600 } });
        if (view.includes("flame")) await drawn(page);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${view} is ${over} px wider than ${width}`);
        colours.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
        await close(page);
      }
      assert.equal(colours.size, 2, view);
    }
  },

  async "without scripts there are figures, tables and links"() {
    const page = await open("", { javaScriptEnabled: false });
    assert.match(await page.locator("#in-use").textContent(), /iB/);
    await page.goto(`${base}ui/flamegraph`);
    assert.match(await page.locator("noscript").textContent(), /JavaScript/);
    await page.context().close();
  },
};

let failures = 0;
for (const [name, test] of Object.entries(tests)) {
  const start = Date.now();
  try {
    await test();
    console.log(`ok      ${name} (${Date.now() - start} ms)`);
  } catch (error) {
    failures++;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
await browser.close();
process.exit(failures === 0 ? 0 : 1);
