// Probes of layers: here and on the server, against the command line.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { assertServerAgrees, expectedOf, openRecorded } from "./agreement.mjs";
import { difference, lastRecorded } from "./results.mjs";
import { startServer } from "./server.mjs";
import { applySpec, finished, narrow, npy, runHere, shot, violations } from "./steps.mjs";

// Two layers of 60 rows, the second with a clearer difference of the classes; ratings follow one of its units.
const n = 60;
const noise = (i) => (Math.sin(i * 12.9898) * 43758.5453) % 1;
const sign = (row) => (row % 2 === 0 ? 1 : -1);
const value = (width, gain) => (i) => noise(i + width) + (i % width < 5 ? gain * sign(Math.floor(i / width)) : 0);
const folder = mkdtempSync(join(tmpdir(), "eigenscope-probe-"));
const files = { early: join(folder, "early.npy"), late: join(folder, "late.npy"), kinds: join(folder, "kinds.csv"), ratings: join(folder, "ratings.npy") };
writeFileSync(files.early, npy(n, 20, value(20, 0.1)));
writeFileSync(files.late, npy(n, 90, value(90, 0.5)));
writeFileSync(files.kinds, `kind\n${Array.from({ length: n }, (_, i) => (sign(i) > 0 ? "animate" : "inanimate")).join("\n")}\n`);
writeFileSync(files.ratings, npy(n, 1, (i) => value(90, 0.5)(i * 90 + 7) + 0.1 * noise(3 * i)));

const labels = { input: "kinds", column: "kind" };
const specs = [
  { kind: "probe", layers: ["early", "late"], labels, pca: 20, folds: 5 },
  { kind: "probe", layers: ["late"], labels, estimator: "svc", pca: null, folds: 5 },
  { kind: "probe", layers: ["late"], targets: "ratings", estimator: "glm", map: "uv", nested: true, iterate: "channel", folds: 5 },
];

let server;
let expected;
before(async () => {
  server = await startServer();
  expected = await expectedOf(specs, files);
});
after(() => server?.stop());

async function load(page) {
  await page.getByTestId("file-input").setInputFiles(Object.values(files));
  await page.getByTestId("dataset-card").nth(3).waitFor();
}

test("probes in the browser equal the command line", async (t) => {
  const { page, errors } = await openRecorded(t, server);
  await load(page);
  await page.getByTestId("device-select").selectOption("cpu");
  for (const [i, spec] of specs.entries()) {
    await applySpec(page, spec);
    await runHere(page);
    const run = await finished(page);
    const worst = difference(await lastRecorded(page), expected[i]);
    console.log(`probe ${i + 1}: ${worst.toExponential(1)} from the command line`);
    // The same Rust code in f64 with other instructions; accuracies are counts.
    assert.ok(worst <= 1e-8, `${worst}`);
    await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
    await page.waitForTimeout(300);
    assert.deepEqual(await violations(page), []);
    await shot(page, `probe-${i}`);
    await narrow(page, `probe-${i}`);
    await run.getByTestId("run-remove").click();
  }
  assert.deepEqual(errors, []);
});

test("probes on the server equal the command line", async (t) => {
  await assertServerAgrees(t, server, load, specs, expected);
});

test("the clearer layer is read better, and the rated unit is found", () => {
  const [early, late] = expected[0].layers.map((layer) => layer.mean[0]);
  assert.ok(late > early && late > 0.9, `${early} and ${late}`);
  const scores = expected[2].layers[0].mean;
  assert.equal(scores.indexOf(Math.max(...scores)), 7);
});
