// The page as a newcomer uses it: sample data, bad files, cancel, crash, reload, projects, access.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { recordWorkers, lastRecorded } from "./results.mjs";
import { axeSource, openPage, screenshots, startBrowser, startServer } from "./server.mjs";
import { applySpec, choose, finished, npy, runHere, runOnServer, sample, shot, violations } from "./steps.mjs";

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Loads an input whose Minkowski distances take long. */
const longInput = async (page) => {
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-long-"));
  writeFileSync(join(folder, "long.npy"), npy(4000, 1500, (i) => Math.sin(i * 0.7) + Math.cos(i * i * 0.001)));
  await page.getByTestId("file-input").setInputFiles(join(folder, "long.npy"));
  await page.locator('[data-testid="dataset-card"][data-name="long"]').waitFor();
  return "long";
};

const open = async (options) => {
  const opened = await openPage(browser, "about:blank", options);
  await opened.page.addInitScript(recordWorkers);
  await opened.page.goto(server.url);
  await opened.page.getByTestId("drop-zone").waitFor();
  return opened;
};

test("the page opens in under a second and says what to drop", async () => {
  const { page, context, errors } = await open();
  const times = [];
  for (let i = 0; i < 3; i++) {
    const start = Date.now();
    await page.goto(server.origin);
    await page.getByTestId("drop-zone").waitFor();
    times.push(Date.now() - start);
  }
  console.log(`opens in ${Math.min(...times)} ms`);
  assert.ok(Math.min(...times) < 1000, `opened in ${times} ms`);
  const text = await page.locator("body").innerText();
  for (const word of [".npy", ".npz", ".csv", ".tsv"]) assert.match(text, new RegExp(`\\${word}`));
  await shot(page, "empty");
  assert.deepEqual(errors, []);
  await context.close();
});

test("sample data give a spectrum with pictures, in light, dark and narrow", async () => {
  const { page, context, errors } = await open();
  await sample(page);
  await choose(page, "dimensionality");
  await runHere(page);
  const run = await finished(page);
  await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
  const result = await lastRecorded(page);
  assert.ok(result.spectra.length >= 1 && result.spectra[0].effective_dimensionality > 1, "an effective dimensionality");
  await shot(page, "dimensionality-light");
  await page.emulateMedia({ colorScheme: "dark" });
  await shot(page, "dimensionality-dark");
  await page.setViewportSize({ width: 360, height: 780 });
  await shot(page, "dimensionality-360");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px wider than the window`);
  assert.deepEqual(errors, []);
  await context.close();
});

test("figures export as PNG, SVG, CSV and spec", async () => {
  const { page, context } = await open();
  await sample(page);
  await choose(page, "dimensionality");
  await runHere(page);
  const run = await finished(page);
  await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
  const heads = { png: /^\x89PNG/, svg: /<svg/, csv: /,/, spec: /"kind"/ };
  for (const [kind, head] of Object.entries(heads)) {
    const waiting = page.waitForEvent("download");
    await run.getByTestId(`export-${kind}`).first().click();
    const path = await (await waiting).path();
    assert.match(readFileSync(path, "latin1").slice(0, 3000), head, kind);
  }
  await context.close();
});

test("a dataset is saved in every format, as the command line writes it", async () => {
  const { page, context, errors } = await open();
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-save-"));
  writeFileSync(join(folder, "good.npy"), npy(4, 3, (i) => i * i / 7 - 3 * i));
  await page.getByTestId("file-input").setInputFiles(join(folder, "good.npy"));
  await page.getByTestId("dataset-card").first().waitFor();
  for (const format of ["npy", "npz", "h5", "csv", "mat"]) {
    const waiting = page.waitForEvent("download");
    await page.getByTestId("dataset-save-as").first().selectOption(format);
    const download = await waiting;
    assert.equal(download.suggestedFilename(), `good.${format}`);
    execFileSync(process.env.EIGENSCOPE, ["convert", join(folder, "good.npy"), join(folder, `cli.${format}`)]);
    assert.deepEqual(readFileSync(await download.path()), readFileSync(join(folder, `cli.${format}`)), format);
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test("samples are along any axis of an array", async () => {
  const { page, context, errors } = await open();
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-axes-"));
  // Values, stimuli, time: what is to be compared is in the middle.
  const value = (i) => Math.sin(i * 1.3) + i % 7;
  writeFileSync(join(folder, "cube.npy"), npy(3, 24, value, [3, 6, 4]));
  const flat = (i) => { const [s, v, t] = [Math.floor(i / 12), Math.floor((i % 12) / 4), i % 4]; return value(24 * v + 4 * s + t); };
  writeFileSync(join(folder, "flat.npy"), npy(6, 12, flat));
  await page.getByTestId("file-input").setInputFiles(["cube.npy", "flat.npy"].map((name) => join(folder, name)));
  await page.getByTestId("dataset-card").nth(1).waitFor();
  const cube = page.locator('[data-testid="dataset-card"][data-name="cube"]');
  const axes = cube.getByTestId("dataset-orientation");
  assert.deepEqual(await axes.locator("option").allInnerTexts(), ["axis 0 (3)", "axis 1 (6)", "axis 2 (4)"]);
  await axes.selectOption("1");
  await cube.getByText("6 × 3 × 4").waitFor();
  assert.deepEqual(await axes.locator("option").allInnerTexts(), ["axis 0 (3)", "axis 1 (6)", "axis 2 (4)"], "of the file");
  assert.equal(await axes.inputValue(), "1");
  const flatAxes = page.locator('[data-testid="dataset-card"][data-name="flat"]').getByTestId("dataset-orientation");
  assert.deepEqual(await flatAxes.locator("option").allInnerTexts(), ["rows", "columns"]);
  await shot(page, "axes");
  const spectrum = async (input) => {
    await applySpec(page, { kind: "dimensionality", inputs: [input], pool: "flatten" });
    await runHere(page);
    await finished(page);
    const { spectra: [{ n_samples, n_features, eigenvalues }] } = await lastRecorded(page);
    await page.getByTestId("run-remove").first().click();
    return { n_samples, n_features, eigenvalues };
  };
  assert.deepEqual(await spectrum("cube"), await spectrum("flat"), "six samples of twelve values");
  assert.deepEqual(errors, []);
  await context.close();
});

test("bad files get one sentence each and nothing else is lost", async () => {
  const { page, context, errors } = await open();
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-bad-"));
  const good = npy(4, 3, (i) => i * i - 3 * i);
  const files = {
    "good.npy": good,
    "truncated.npy": good.subarray(0, good.length - 20),
    "magic.npy": Buffer.from("not an array at all, certainly"),
    "empty.npy": Buffer.alloc(0),
    "words.csv": Buffer.from("a,b\n1,2\n3,four\n"),
    "ragged.csv": Buffer.from("a,b\n1\n3,4\n"),
    "notes.pdf": Buffer.from("%PDF-1.4"),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  await page.getByTestId("file-input").setInputFiles(Object.keys(files).map((name) => join(folder, name)));
  await page.getByTestId("error-card").nth(4).waitFor();
  const cards = await page.getByTestId("error-card").allInnerTexts();
  console.log(cards.join("\n"));
  for (const name of ["truncated.npy", "magic.npy", "empty.npy", "ragged.csv", "notes.pdf"]) {
    assert.ok(cards.some((card) => card.includes(name)), `a sentence about ${name}`);
  }
  assert.ok((await page.getByTestId("dataset-card").count()) >= 1, "the good file is there");
  await shot(page, "errors");
  assert.deepEqual(errors, []);
  await context.close();
});

test("NaN, mismatched rows and unknown fields are refused with numbers", async () => {
  const { page, context } = await open();
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-bad-"));
  writeFileSync(join(folder, "holes.npy"), npy(5, 3, (i) => (i === 7 ? NaN : i * i)));
  writeFileSync(join(folder, "short.npy"), npy(4, 3, (i) => i * i));
  await page.getByTestId("file-input").setInputFiles([join(folder, "holes.npy"), join(folder, "short.npy")]);
  await page.getByTestId("dataset-card").nth(1).waitFor();
  await applySpec(page, { kind: "dimensionality", inputs: ["holes"] });
  await runHere(page);
  const failed = page.locator('[data-testid="run-item"][data-state="failed"]').first();
  await failed.waitFor();
  assert.match(await failed.getByTestId("run-error").innerText(), /row 3, column 2/);
  await applySpec(page, { kind: "dimensionality", inputs: ["short"], colour: 1 }, false);
  assert.match(await page.getByTestId("spec-error").innerText(), /colour/);
  await context.close();
});

test("a long run can be canceled at once and the next one works", async () => {
  const { page, context } = await open();
  await applySpec(page, { kind: "rdm", input: await longInput(page), measure: "minkowski" });
  await runHere(page);
  const start = Date.now();
  await page.getByTestId("run-cancel").first().click();
  await page.locator('[data-testid="run-item"][data-state="canceled"]').first().waitFor();
  const took = Date.now() - start;
  console.log(`canceled in ${took} ms`);
  assert.ok(took < 1500, `canceling took ${took} ms`);
  await sample(page);
  await choose(page, "dimensionality");
  await runHere(page);
  await finished(page);
  await context.close();
});

test("a worker that crashes is replaced and the data are still there", async () => {
  const { page, context } = await open();
  await sample(page);
  await page.evaluate(() => window.workers.at(-1).postMessage({ id: 999999, json: JSON.stringify({ request: "crash" }) }));
  await page.waitForTimeout(1000);
  await choose(page, "dimensionality");
  await runHere(page);
  await finished(page);
  assert.ok((await page.evaluate(() => window.workers.length)) > 1, "another worker was started");
  await context.close();
});

test("a run on the server survives a reload, and a project a new page", async () => {
  const { page, context } = await open();
  await sample(page);
  await choose(page, "dimensionality");
  await runOnServer(page);
  await finished(page);
  await applySpec(page, { kind: "rdm", input: await longInput(page), measure: "minkowski" });
  await runOnServer(page);
  await page.locator('[data-testid="run-item"][data-state="running"]').waitFor();
  await page.reload();
  const running = page.locator('[data-testid="run-item"][data-state="running"]');
  await running.waitFor();
  await running.getByTestId("run-cancel").click();
  await page.locator('[data-testid="run-item"][data-state="canceled"]').waitFor();
  const done = page.locator('[data-testid="run-item"][data-state="done"]');
  await done.getByTestId("run-toggle").click();
  await done.getByTestId("plot").first().locator(".main-svg").first().waitFor();
  await sample(page);
  await choose(page, "dimensionality");
  await runHere(page);
  await finished(page);
  const waiting = page.waitForEvent("download");
  await page.getByTestId("save-project").click();
  const path = join(mkdtempSync(join(tmpdir(), "eigenscope-project-")), "p.eigenscope");
  await (await waiting).saveAs(path);
  const datasets = await page.getByTestId("dataset-card").count();
  await context.close();

  const again = await open();
  await again.page.getByTestId("project-input").setInputFiles(path);
  await again.page.getByTestId("dataset-card").nth(datasets - 1).waitFor();
  await finished(again.page);
  await again.context.close();
});

test("no serious accessibility violation, empty and with a result", async () => {
  const { page, context } = await open({ bypassCSP: true });
  await page.addScriptTag({ path: axeSource });
  assert.deepEqual(await violations(page), []);
  await sample(page);
  await choose(page, "dimensionality");
  await runHere(page);
  const run = await finished(page);
  await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
  assert.deepEqual(await violations(page), []);
  await page.emulateMedia({ colorScheme: "dark" });
  // Colors fade for a moment.
  await page.waitForTimeout(500);
  assert.deepEqual(await violations(page), []);
  await context.close();
});

test("without the token the page loads and says what is missing", async () => {
  const { page, context } = await openPage(browser, server.origin);
  await page.getByTestId("drop-zone").waitFor();
  await page.waitForFunction(() => /token/i.test(document.querySelector('[data-testid="server-status"]')?.textContent ?? ""));
  await context.close();
});

test("a server that goes away is noticed and the page keeps working here", async () => {
  const other = await startServer();
  const { page, context } = await openPage(browser, other.url);
  await page.getByTestId("drop-zone").waitFor();
  await sample(page);
  await other.stop();
  await page.waitForFunction(() => /lost|no server|not reach|reconnect|offline|gone/i.test(document.querySelector('[data-testid="server-status"]')?.textContent ?? ""));
  await choose(page, "dimensionality");
  await runHere(page);
  await finished(page);
  await context.close();
});

test.after?.(() => console.log(`screenshots in ${screenshots}`));
