// The real recordings: all five analyses here (CPU and WebGPU) and on the server, against the command line.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { commandLine, difference, lastRecorded, newestResult, recordWorkers } from "./results.mjs";
import { openPage, startBrowser, startServer } from "./server.mjs";
import { applySpec, finished, runHere, runOnServer, shot } from "./steps.mjs";

const data = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data");
const files = {
  IT: join(data, "majajhong2015/IT.npy"),
  V4: join(data, "majajhong2015/V4.npy"),
  humanIT_rdms: join(data, "images92/humanIT_rdms.npy"),
  model_rdms: join(data, "images92/model_rdms.npy"),
};
const skip = Object.values(files).every(existsSync) ? false : "the recordings are not beside the checkout (shared/data)";

const specs = [
  { kind: "dimensionality", inputs: ["IT", "V4"] },
  { kind: "rdm", input: "V4", measure: "correlation" },
  { kind: "rdm_comparison", data: ["humanIT_rdms"], models: ["model_rdms"], compare: "corr" },
  { kind: "shape_distance", inputs: ["IT", "V4"], alpha: 0.5 },
  {
    kind: "encoding",
    features: "V4",
    targets: "IT",
    model: { name: "ridge", alphas: [0.1, 10, 1000] },
    cv: { scheme: "kfold", k: 5 },
    keep_predictions: true,
  },
];

let server;
let expected;

before(async () => {
  if (skip) return;
  server = await startServer();
  expected = await Promise.all(
    specs.map((spec) => commandLine(spec, Object.fromEntries(Object.entries(files).filter(([name]) => JSON.stringify(spec).includes(`"${name}"`))))),
  );
});
after(() => server?.stop());

async function runAll(t, gpu, device, tolerance) {
  const browser = await startBrowser({ gpu });
  t.after(() => browser.close());
  const { page, errors } = await openPage(browser, "about:blank");
  await page.addInitScript(recordWorkers);
  await page.goto(server.url);
  await page.getByTestId("file-input").setInputFiles(Object.values(files));
  await page.getByTestId("dataset-card").nth(3).waitFor();
  await page.getByTestId("device-select").selectOption(device);
  for (const [i, spec] of specs.entries()) {
    await applySpec(page, spec);
    await runHere(page);
    const run = await finished(page, 600_000);
    const result = await lastRecorded(page);
    const worst = difference(result, expected[i]);
    console.log(`${spec.kind} on ${result.device.name}: ${worst.toExponential(1)} from the command line`);
    assert.equal(result.device.kind, gpu ? "webgpu" : "cpu");
    assert.ok(worst <= tolerance, `${spec.kind}: ${worst}`);
    await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
    await page.waitForTimeout(300);
    await shot(page, `real-${spec.kind}${gpu ? "-webgpu" : ""}`);
    await run.getByTestId("run-remove").click();
  }
  assert.deepEqual(errors, []);
}

// The same Rust code in f64, with other instructions (no fused multiply-add): 1e-9 relative.
test("all five analyses in the browser on the CPU equal the command line", { skip }, (t) => runAll(t, false, "cpu", 1e-9));

// f32 contractions, f64 sums and decompositions: 1e-4 relative.
test("all five analyses in the browser on WebGPU agree with the command line", { skip }, (t) => runAll(t, true, "webgpu", 1e-4));

test("all five analyses on the server equal the command line", { skip }, async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page, errors } = await openPage(browser, server.url);
  await page.getByTestId("file-input").setInputFiles(Object.values(files));
  await page.getByTestId("dataset-card").nth(3).waitFor();
  for (const [i, spec] of specs.entries()) {
    await applySpec(page, spec);
    await runOnServer(page);
    await finished(page, 300_000);
    const worst = difference(await newestResult(page, server), expected[i]);
    console.log(`${spec.kind} on the server: ${worst.toExponential(1)} from the command line`);
    // The same binary on the same device: bit for bit.
    assert.equal(worst, 0, spec.kind);
  }
  assert.deepEqual(errors, []);
});
