// A study of dimensionality on real data: the analyses that stand on spectra and encoding, here and on the server, against the command line.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { assertServerAgrees, expectedOf, openRecorded } from "./agreement.mjs";
import { difference, lastRecorded } from "./results.mjs";
import { startServer } from "./server.mjs";
import { applySpec, finished, narrow, npy, runHere, shot, violations } from "./steps.mjs";

const data = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data");
const tables = join(data, "encoder_dimensionality");
const files = {
  IT: join(data, "majajhong2015/IT.npy"),
  V4: join(data, "majajhong2015/V4.npy"),
  eigmetrics_imagenet_pooling_true: join(tables, "eigmetrics_imagenet_pooling_true.csv"),
  encoding_majajhong_it_pls_pooling_false: join(tables, "encoding_majajhong_it_pls_pooling_false.csv"),
  data_snr_global: join(tables, "data_snr_global.csv"),
};
const skip = Object.values(files).every(existsSync) ? false : "the recordings are not beside the checkout (shared/data)";

// The recordings come without names of their images, 50 of each of 64 objects in an order of their own: eight blocks of rows stand for classes.
const folder = mkdtempSync(join(tmpdir(), "eigenscope-study-"));
const labels = join(folder, "blocks.csv");
writeFileSync(labels, `block\n${Array.from({ length: 3200 }, (_, i) => `block ${Math.floor(i / 400) + 1}`).join("\n")}\n`);
files.blocks = labels;
// A second feature space, which knows nothing of the recordings.
files.waves = join(folder, "waves.npy");
writeFileSync(files.waves, npy(3200, 12, (i) => Math.sin(i * 0.7) + Math.cos(i * i * 0.001)));

const classes = { input: "blocks", column: "block" };
const specs = [
  { kind: "manifolds", features: "IT", labels: classes },
  { kind: "few_shot", features: "IT", labels: classes, classifiers: ["prototype", "linear"], n_train: [1, 5, 20], n_test: 50, n_repeats: 3 },
  { kind: "projection", features: "IT", labels: classes },
  { kind: "dimension_use", features: "V4", targets: "IT", cv: { scheme: "kfold", k: 5 } },
  { kind: "variance_partition", spaces: ["V4", "waves"], targets: "IT", model: { name: "ridge", alphas: [0.1, 10, 1000] }, cv: { scheme: "kfold", k: 5 } },
  {
    kind: "relation",
    tables: ["eigmetrics_imagenet_pooling_true", "encoding_majajhong_it_pls_pooling_false"],
    x: "effective dimensionality",
    y: "score",
    by: ["kind"],
  },
  {
    kind: "relation",
    tables: ["data_snr_global"],
    x: "effective dimensionality",
    y: "score",
    log_x: true,
    by: ["kind"],
    best_layer: true,
    partition: [
      { column: "effective dimensionality", log: true },
      { column: "signal (mean)", log: false },
    ],
  },
];

let server;
let expected;

before(async () => {
  if (skip) return;
  server = await startServer();
  expected = await expectedOf(specs, files);
});
after(() => server?.stop());

async function load(page) {
  await page.getByTestId("file-input").setInputFiles(Object.values(files));
  await page.getByTestId("dataset-card").nth(6).waitFor();
}

test("the study in the browser equals the command line, in figures that fit any window", { skip }, async (t) => {
  const { page, errors } = await openRecorded(t, server);
  await load(page);
  await page.getByTestId("device-select").selectOption("cpu");
  for (const [i, spec] of specs.entries()) {
    await applySpec(page, spec);
    await runHere(page);
    const run = await finished(page, 600_000);
    const worst = difference(await lastRecorded(page), expected[i]);
    console.log(`${spec.kind}: ${worst.toExponential(1)} from the command line`);
    // The same Rust code in f64 with other instructions; classifiers stop at a gradient of 1e-8.
    assert.ok(worst <= (spec.kind === "few_shot" ? 1e-6 : 1e-8), `${spec.kind}: ${worst}`);
    await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
    await page.waitForTimeout(300);
    assert.deepEqual(await violations(page), []);
    await shot(page, `study-${i}-${spec.kind}`);
    await narrow(page, `study-${i}-${spec.kind}`);
    await run.getByTestId("run-remove").click();
  }
  assert.deepEqual(errors, []);
});

test("the study on the server equals the command line", { skip }, async (t) => {
  await assertServerAgrees(t, server, load, specs, expected);
});

test("published headlines come out of the published tables", { skip }, () => {
  assert.ok(Math.abs(expected[5].pearson_r - 0.5881) < 5e-5 && expected[5].n === 536, "max pooling, raw");
  assert.ok(Math.abs(expected[6].pearson_r - 0.8438) < 5e-5 && expected[6].n === 568, "average pooling, logarithm");
});
