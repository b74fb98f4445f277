// The first run from the start page, and networks warped along few dimensions.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { openRecorded } from "./agreement.mjs";
import { difference, lastRecorded, newestResult } from "./results.mjs";
import { startServer } from "./server.mjs";
import { applySpec, choose, finished, narrow, npy, runHere, runOnServer, shot, violations } from "./steps.mjs";

const networks = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data/networks");
const network = join(networks, "tiny_resnet.onnx");
const skip = existsSync(network) ? false : "the networks are not beside the checkout (shared/data)";

let server;
before(async () => {
  // The fourth task of a job waits until somebody stops it.
  server = await startServer({ env: { EIGENSCOPE_TEST_CRASH: "hang task-3" } });
});
after(() => server?.stop());

test("the first run goes from the task to the comparison with the brain", { timeout: 600_000 }, async (t) => {
  const { page, errors } = await openRecorded(t, server);
  await shot(page, "tour-start");
  await page.getByTestId("tour").click();
  const run = page.getByTestId("run-item").first();
  // The curve of the loss grows while it learns; nothing is compared yet.
  await run.getByTestId("story-learning").waitFor({ timeout: 120_000 });
  await page.waitForFunction(() => /passes? through the gratings.* are done/.test(document.querySelector('[data-testid="story-learning"]')?.innerText ?? ""));
  await run.getByTestId("figure-orientation-loss").locator(".main-svg").first().waitFor();
  assert.equal(await run.getByTestId("story-rdms").count(), 0);
  // It is brought into view.
  await page.waitForFunction(() => document.querySelector('[data-testid="story-task"]').getBoundingClientRect().top < window.innerHeight / 2);
  await shot(page, "tour-learning");
  await finished(page, 400_000);
  console.log(await run.getByTestId("run-state").locator("..").innerText());
  for (const part of ["task", "learning", "filters", "rdms", "bars", "row", "tuning", "points", "next"]) {
    await run.getByTestId(`story-${part}`).waitFor();
  }
  const result = await lastRecorded(page);
  const of = (layer) => result.comparisons.find((c) => c.layer === layer).correlation;
  assert.ok(of("pool") > of("fc"), `${of("pool")} and ${of("fc")}`);
  assert.ok(result.accuracy > 0.9, `${result.accuracy}`);
  assert.match(await run.getByTestId("story-bars").innerText(), /pool \(r = 0\.\d+\), is more like V1/);
  assert.equal(await run.getByTestId("story-task").locator("canvas").count(), 6);
  assert.equal(await run.getByTestId("story-filters").locator("canvas").count(), 18);
  // Three matrices follow one pointer.
  const rdms = run.getByTestId("figure-orientation-rdm");
  assert.equal(await rdms.count(), 3);
  await rdms.first().getByTestId("plot").locator("svg").waitFor();
  await rdms.first().scrollIntoViewIfNeeded();
  await rdms.first().getByTestId("plot").hover();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="figure-orientation-rdm"] [data-testid="hover"]').length === 3);
  // The row that is compared is chosen by its orientation.
  const before = await run.getByTestId("figure-orientation-row").getByTestId("figure-summary").innerText();
  await run.getByTestId("orientation-slider").fill("0");
  assert.notEqual(await run.getByTestId("figure-orientation-row").getByTestId("figure-summary").innerText(), before);
  await page.locator('[data-testid="figure-orientation-points"] .main-svg').nth(2).waitFor();
  await page.waitForTimeout(500);
  assert.deepEqual(await violations(page), []);
  await shot(page, "tour");
  await narrow(page, "tour");
  await run.getByTestId("next-warp").click();
  assert.equal(await page.getByTestId("analysis-select").inputValue(), "warp");
  assert.deepEqual(errors, []);
});

test("a network, images and something with a row for each image are offered as a warp", { skip }, async (t) => {
  const { page, errors } = await openRecorded(t, server);
  const folder = join(networks, "../images92");
  const photos = readdirSync(folder).filter((name) => name.endsWith(".png")).map((name) => join(folder, name));
  await page.getByTestId("file-input").setInputFiles([network, ...photos]);
  await page.locator('[data-name="images"]').waitFor();
  await page.getByTestId("file-input").setInputFiles([join(folder, "monkeyIT_rdm.npy")]);
  await page.locator('[data-name="monkeyIT_rdm"]').waitFor();
  await choose(page, "warp");
  assert.equal(await page.locator("#network").inputValue(), "tiny_resnet");
  assert.equal(await page.locator("#images").inputValue(), "images");
  assert.equal(await page.getByLabel("RDM", { exact: true }).inputValue(), "monkeyIT_rdm");
  // What is wrong is said.
  await page.locator("#dims").fill("0, x");
  await page.locator("#dims").blur();
  assert.match(await page.getByTestId("run-blocked").innerText(), /whole numbers of dimensions/);
  await page.locator("#dims").fill("0, 10");
  await page.locator("#dims").blur();
  assert.ok(await page.getByTestId("run-here").isEnabled(), "nothing is missing");
  // A mistake inside the closed part opens it.
  assert.equal(await page.locator("#epochs").isVisible(), false);
  const spec = JSON.parse(await page.getByTestId("spec-json").inputValue());
  assert.deepEqual(spec.objectives, [{ rsa: "monkeyIT_rdm" }]);
  await applySpec(page, { ...spec, training: { ...spec.training, epochs: 0 } });
  await page.locator("#epochs").waitFor();
  assert.match(await page.getByTestId("run-blocked").innerText(), /at least 1/);
  assert.deepEqual(errors, []);
});

/** Images of stripes and dots, and responses that follow some of their pixels. */
function data() {
  const [n, side, targets] = [30, 96, 4];
  const size = 3 * side * side;
  const image = (i) => Math.sin(1.7 * Math.floor(i / size) + 0.05 * (i % size)) + Math.cos(0.31 * Math.floor(i / size) * ((i % side) / side));
  const response = (i) => Math.tanh(image(Math.floor(i / targets) * size + 5000 * (i % targets)) + Math.sin(Math.floor(i / targets)));
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-warp-"));
  const files = { images: join(folder, "images.npy"), responses: join(folder, "responses.npy") };
  writeFileSync(files.images, npy(n, size, image, [n, 3, side, side]));
  writeFileSync(files.responses, npy(n, targets, response));
  return files;
}

test("a network is warped to responses along a few dimensions, here and on the server", { skip, timeout: 900_000 }, async (t) => {
  const { page, errors } = await openRecorded(t, server);
  const files = data();
  await page.getByTestId("file-input").setInputFiles([network]);
  await page.locator('[data-name="tiny_resnet"]').waitFor();
  await page.getByTestId("file-input").setInputFiles([files.images, files.responses]);
  await page.locator('[data-name="responses"]').waitFor();
  await choose(page, "warp");
  await page.getByLabel("Images", { exact: true }).selectOption("images");
  await page.getByLabel("Responses", { exact: true }).selectOption("responses");
  await page.locator("#layers").fill("relu_6");
  await page.locator("#layers").blur();
  await page.locator("#dims").fill("0, 10, 60");
  await page.locator("#dims").blur();
  await page.locator('[data-testid="warp-training"] > summary').click();
  await page.locator('[id="training.preset"]').selectOption({ label: "classes (ImageNet-21k): 1e-3" });
  for (const [field, value] of [["#epochs", "12"], ["#patience", "0"]]) {
    await page.locator(field).fill(value);
    await page.locator(field).blur();
  }
  await shot(page, "warp-form");
  await page.getByTestId("device-select").selectOption("cpu");
  await runHere(page);
  const run = page.getByTestId("run-item").first();
  // The figure fills in before it is done.
  const going = () => /^[012] of 3 points are trained\./.test(document.querySelector('[data-testid="warp-said"]')?.innerText ?? "");
  await page.waitForFunction(going, undefined, { timeout: 300_000 });
  await run.getByTestId("figure-warp-loss").waitFor();
  await finished(page, 600_000);
  const here = await lastRecorded(page);
  const printed = execFileSync(process.env.EIGENSCOPE, [
    "warp", network, "--input", `input=${files.images}`, "--layers", "relu_6", "--pool", "avg", "--targets", files.responses,
    "--dims", "0,10,60", "--epochs", "12", "--patience", "0", "--preset", "imagenet21k", "--device", "cpu", "--json",
  ]);
  const scores = (result) => result.points.map((p) => ({ d: p.d, seed: p.seed, test: p.test_r2, losses: p.losses, validations: p.validations }));
  const expected = JSON.parse(printed);
  const away = difference({ all: scores(here) }, { all: scores(expected) });
  console.log(`warp in the browser: ${away.toExponential(1)} from the command line`);
  assert.ok(away < 1e-5, `${away}`);
  assert.equal(here.points.length, 3);
  assert.deepEqual(here.curves[0].dims, [0, 10, 60]);

  await run.getByTestId("figure-warp").locator(".main-svg").first().waitFor();
  await run.getByTestId("figure-warp-validation").locator(".main-svg").first().waitFor();
  assert.equal(await run.getByTestId("warp-table").locator("tbody tr").count(), 3);
  assert.notEqual(await run.getByTestId("warp-said").innerText(), "");
  const [download] = await Promise.all([page.waitForEvent("download"), run.getByTestId("warp-table-csv").click()]);
  assert.equal(download.suggestedFilename(), "results.csv");
  const lines = readFileSync(await download.path(), "utf8").trim().split("\n");
  assert.equal(lines[0], "run,test_r2,low_dim,val_r2,seed,best_epoch,epochs,seconds");
  assert.deepEqual(lines.slice(1).map((line) => line.split(",")[2]), ["0", "10", "60"]);
  await page.waitForTimeout(500);
  assert.deepEqual(await violations(page), []);
  await shot(page, "warp");
  await narrow(page, "warp");
  await run.getByTestId("run-remove").click();

  await runOnServer(page);
  await finished(page, 300_000);
  assert.equal(difference({ all: scores(await newestResult(page, server)) }, { all: scores(expected) }), 0, "the same program");

  // Points that nobody waits for any more are left out of a sweep under way, one that waits and one in training; the others are what they were.
  await page.getByTestId("run-remove").click();
  await page.locator("#dims").fill("0, 10, 60, 120, 200");
  await page.locator("#dims").blur();
  await runOnServer(page);
  const points = run.getByTestId("run-points");
  await points.locator("summary").click({ timeout: 120_000 });
  const state = (state) => points.locator(`[data-testid="run-point"][data-state="${state}"]`);
  const leaveOut = (d) => points.getByRole("button", { name: `Leave out d = ${d}, seed 0` });
  await state("in training").filter({ hasText: "d = 120, seed 0" }).waitFor({ timeout: 120_000 });
  assert.deepEqual([await state("done").count(), await state("waiting").count()], [3, 1]);
  assert.deepEqual(await violations(page), []);
  await leaveOut(200).click();
  await state("left out").filter({ hasText: "d = 200, seed 0" }).waitFor();
  assert.equal(await points.locator("summary").innerText(), "Points: 3 of 5 done, 1 left out");
  assert.equal(await leaveOut(200).count(), 0, "once is enough");
  // A page that was opened later knows it too.
  const later = await page.context().newPage();
  await later.goto(page.url());
  const known = later.getByTestId("run-points");
  await known.locator("summary").click({ timeout: 60_000 });
  await known.locator('[data-testid="run-point"][data-state="left out"]').filter({ hasText: "d = 200, seed 0" }).waitFor({ timeout: 60_000 });
  await later.close();
  await shot(page, "warp-points");
  await leaveOut(120).click();
  await finished(page, 300_000);
  assert.equal(await points.count(), 0, "nothing can be left out any more");
  assert.equal(difference({ all: scores(await newestResult(page, server)) }, { all: scores(expected) }), 0, "three points of five");
  assert.match(await run.getByTestId("warp-said").innerText(), /2 of 5 points were left out\./);
  const left = await run.getByTestId("warp-table").locator("tbody tr").filter({ hasText: "left out" }).allInnerTexts();
  assert.deepEqual(left.map((row) => /\b(\d+)\s+0\s+left out/.exec(row)?.[1]), ["120", "200"]);

  // Two networks of two layers: the first is kept while the second is chosen.
  await page.locator("#layers").fill("relu_6, relu_8");
  await page.locator("#layers").blur();
  await page.getByLabel("Several layers").selectOption({ label: "each by itself" });
  await page.getByTestId("warp-another").click();
  assert.equal(await page.getByTestId("warp-models").getByRole("listitem").count(), 2);
  await page.getByTestId("warp-remove").last().click();
  assert.equal(await page.getByTestId("warp-models").getByRole("listitem").count(), 1);
  await page.getByLabel("Network", { exact: true }).selectOption("tiny_resnet");
  await page.locator("details.spec > summary").click();
  const spec = JSON.parse(await page.getByTestId("spec-json").inputValue());
  assert.deepEqual(spec.models.map((model) => model.extraction.layers), [["relu_6"], ["outputs"]]);
  assert.deepEqual(errors, []);
});
