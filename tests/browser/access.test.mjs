// Ways to the page other than a mouse on a laptop: keyboard alone, drag and drop, a wall screen, another host, a server that restarts.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { openPage, startBrowser, startServer } from "./server.mjs";
import { applySpec, choose, finished, npy, runHere, runOnServer, sample, shot } from "./steps.mjs";

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const open = async (options) => {
  const opened = await openPage(browser, server.url, options);
  await opened.page.getByTestId("drop-zone").waitFor();
  return opened;
};

/** Presses Tab until the element with this test id has the focus; every stop on the way must show that it has it. */
const tabTo = async (page, testId) => {
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const label = element.closest("label");
      const around = label ? getComputedStyle(label) : style;
      const shows = [style, around].some((s) => (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none");
      return { id: element.dataset.testid, tag: element.tagName, shows, html: element.outerHTML.slice(0, 120) };
    });
    if (at.tag === "BODY") continue;
    assert.ok(at.shows, `the focus is visible at ${at.html}`);
    if (at.id === testId) return;
  }
  assert.fail(`Tab never reached ${testId}`);
};

test("everything from sample data to a result works by keyboard alone", async () => {
  const { page, context, errors } = await open();
  await tabTo(page, "sample");
  await page.keyboard.press("Enter");
  await page.getByTestId("dataset-card").nth(3).waitFor();
  await tabTo(page, "analysis-select");
  await page.keyboard.type("Dimensionality");
  assert.equal(await page.getByTestId("analysis-select").inputValue(), "dimensionality");
  await tabTo(page, "run-here");
  await page.keyboard.press("Enter");
  await finished(page);
  assert.deepEqual(errors, []);
  await context.close();
});

test("files that are dropped on the page are read", async () => {
  const { page, context, errors } = await open();
  const bytes = [...npy(6, 4, (i) => i * i)];
  const dropped = await page.evaluateHandle((values) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(values)], "dropped.npy"));
    transfer.items.add(new File(["a,b\n1,2\n3,5\n4,4\n"], "table.csv"));
    return transfer;
  }, bytes);
  const zone = page.getByTestId("drop-zone");
  for (const type of ["dragenter", "dragover", "drop"]) await zone.dispatchEvent(type, { dataTransfer: dropped });
  for (const [name, shape] of [["dropped", "6 × 4"], ["table", "3 × 2"]]) {
    const card = page.locator(`[data-testid="dataset-card"][data-name="${name}"]`);
    await card.waitFor();
    assert.equal(await card.getByTestId("dataset-shape").innerText(), shape);
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test("a wall screen shows lines and figures of readable width", async () => {
  const { page, context } = await open({ viewport: { width: 3840, height: 2160 } });
  await sample(page);
  await choose(page, "dimensionality");
  await runHere(page);
  const run = await finished(page);
  await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
  await shot(page, "dimensionality-4k");
  // Lines of text, not the boxes that they stand in.
  const widest = await page.evaluate(() => {
    const lines = [...document.querySelectorAll("p")].flatMap((p) => {
      const range = document.createRange();
      range.selectNodeContents(p);
      return [...range.getClientRects()].map((line) => line.width);
    });
    return Math.max(...lines);
  });
  assert.ok(widest < 1600, `a line of text is ${widest} px wide`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px wider than the window`);
  await context.close();
});

test("over plain http from another host the page says why WebGPU is off and computes on the CPU", async () => {
  const host = "lab.example";
  const lab = await startServer({ args: ["--allow-host", host] });
  const far = await startBrowser({ gpu: true, host });
  const { page } = await openPage(far, lab.url.replace("127.0.0.1", host));
  await page.getByTestId("drop-zone").waitFor();
  assert.equal(await page.evaluate(() => window.isSecureContext), false);
  assert.match(await page.getByTestId("device-note").innerText(), /plain http.*ssh -L/s);
  await sample(page);
  await choose(page, "dimensionality");
  await runHere(page);
  const run = await finished(page);
  assert.match(await run.getByTestId("result-footer").innerText(), /CPU/);
  await far.close();
  await lab.stop();
});

test("a page finds its server again after a restart and its run goes on", async () => {
  const first = await startServer();
  const { page, context } = await openPage(browser, first.url);
  await page.getByTestId("drop-zone").waitFor();
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-restart-"));
  writeFileSync(join(folder, "long.npy"), npy(2500, 1500, (i) => Math.sin(i * 0.7) + Math.cos(i * i * 0.001)));
  await page.getByTestId("file-input").setInputFiles(join(folder, "long.npy"));
  await page.locator('[data-testid="dataset-card"][data-name="long"]').waitFor();
  await applySpec(page, { kind: "rdm", input: "long", measure: "minkowski" });
  await runOnServer(page);
  await page.locator('[data-testid="run-item"][data-state="running"]').waitFor();
  await first.stop({ keepData: true });
  const status = (words) =>
    page.waitForFunction(
      (text) => new RegExp(text, "i").test(document.querySelector('[data-testid="server-status"]')?.textContent ?? ""),
      words,
    );
  await status("lost|not reach|reconnect|gone");
  const second = await startServer({ place: first.place });
  await finished(page, 180_000);
  await context.close();
  await second.stop();
});
