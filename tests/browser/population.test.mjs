// Similarity and clustering, here and on the server, against the command line.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { assertServerAgrees, expectedOf, openRecorded } from "./agreement.mjs";
import { difference, lastRecorded } from "./results.mjs";
import { startServer } from "./server.mjs";
import { applySpec, finished, narrow, runHere, shot, violations } from "./steps.mjs";

const data = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data");
const files = {
  X: join(data, "golden/X.npy"),
  Y: join(data, "golden/Y.npy"),
  monkeyIT_rdm: join(data, "images92/monkeyIT_rdm.npy"),
};
const skip = Object.values(files).every(existsSync) ? false : "the golden matrices and RDMs are not beside the checkout (shared/data)";

const specs = [
  { kind: "similarity", x: "X", y: "Y" },
  { kind: "clustering", input: "monkeyIT_rdm", method: { name: "agglomerative", linkage: "average", n_clusters: 4 } },
  { kind: "clustering", input: "monkeyIT_rdm", method: { name: "k_medoids", n_clusters: 3 } },
  { kind: "clustering", input: "monkeyIT_rdm", method: { name: "optics", min_samples: 4 } },
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
  await page.getByTestId("dataset-card").nth(2).waitFor();
}

test("similarity and clusters in the browser equal the command line", { skip }, async (t) => {
  const { page, errors } = await openRecorded(t, server);
  await load(page);
  await page.getByTestId("device-select").selectOption("cpu");
  for (const [i, spec] of specs.entries()) {
    await applySpec(page, spec);
    await runHere(page);
    const run = await finished(page, 600_000);
    const worst = difference(await lastRecorded(page), expected[i]);
    console.log(`${spec.kind}: ${worst.toExponential(1)} from the command line`);
    // The same Rust code in f64 with other instructions; near the floor of the Riemannian distance 1e-10 of rounding is amplified.
    assert.ok(worst <= 1e-8, `${spec.kind}: ${worst}`);
    if (spec.kind === "clustering") await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
    await page.waitForTimeout(300);
    assert.deepEqual(await violations(page), []);
    await shot(page, `population-${i}-${spec.kind}`);
    await narrow(page, `population-${i}-${spec.kind}`);
    if (spec.kind === "similarity") {
      await run.getByTestId("similarity-search").fill("canonical squared");
      await run.getByTestId("similarity-search").blur();
      const names = await run.getByTestId("similarity-table").locator("tbody tr").allInnerTexts();
      assert.ok(names.length === 1 && names[0].includes("cca-squared_score"), names.join());
    }
    await run.getByTestId("run-remove").click();
  }
  assert.deepEqual(errors, []);
});

test("similarity and clusters on the server equal the command line", { skip }, async (t) => {
  await assertServerAgrees(t, server, load, specs, expected);
});
