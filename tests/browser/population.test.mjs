// Populations of networks, here and on the server, against the command line; a matrix that fills in.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { assertServerAgrees, expectedOf, openRecorded } from "./agreement.mjs";
import { difference, lastRecorded } from "./results.mjs";
import { openPage, startBrowser, startServer } from "./server.mjs";
import { applySpec, finished, narrow, npy, runHere, runOnServer, shot, violations } from "./steps.mjs";

const data = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data");
const files = {
  X: join(data, "golden/X.npy"),
  Y: join(data, "golden/Y.npy"),
  monkeyIT_rdm: join(data, "images92/monkeyIT_rdm.npy"),
};
const folder = mkdtempSync(join(tmpdir(), "eigenscope-population-"));
/** Responses of two networks: 5 conditions x 6 repeats x 3 neurons. */
for (const [name, phase] of [["R1", 0], ["R2", 1]]) {
  files[name] = join(folder, `${name}.npy`);
  const value = (i) => Math.sin(Math.floor(i / 18) * 1.7 + (i % 3) * (1 + phase)) + 0.5 * Math.cos(i * i * 0.37 + phase);
  writeFileSync(files[name], npy(90, 1, value, [5, 6, 3]));
}
const skip = Object.values(files).every(existsSync) ? false : "the golden matrices and RDMs are not beside the checkout (shared/data)";

const specs = [
  { kind: "similarity", x: "X", y: "Y" },
  { kind: "clustering", input: "monkeyIT_rdm", method: { name: "agglomerative", linkage: "average", n_clusters: 4 } },
  { kind: "clustering", input: "monkeyIT_rdm", method: { name: "k_medoids", n_clusters: 3 } },
  { kind: "clustering", input: "monkeyIT_rdm", method: { name: "optics", min_samples: 4 } },
  { kind: "clustering", input: "monkeyIT_rdm", method: { name: "hdbscan", min_cluster_size: 4 } },
  { kind: "embedding", input: "monkeyIT_rdm", method: "isomap" },
  { kind: "shape_distance", inputs: ["X", "Y"], metric: "permutation", n_folds: 3 },
  { kind: "shape_distance", inputs: ["X"], against: ["Y"], metric: "cka" },
  { kind: "shape_average", inputs: ["X", "Y"] },
  { kind: "shape_path", x: "X", y: "Y" },
  { kind: "stochastic_distance", inputs: ["R1", "R2"] },
  { kind: "stochastic_distance", inputs: ["R1", "R2"], metric: "energy" },
];

let server;
let expected;

before(async () => {
  if (skip) return;
  server = await startServer();
  expected = await expectedOf(specs, files);
});
after(() => {
  server?.stop();
  rmSync(folder, { recursive: true });
});

async function load(page) {
  await page.getByTestId("file-input").setInputFiles(Object.values(files));
  await page.getByTestId("dataset-card").nth(Object.keys(files).length - 1).waitFor();
}

test("populations in the browser equal the command line", { skip }, async (t) => {
  const { page, errors } = await openRecorded(t, server);
  await load(page);
  await page.getByTestId("device-select").selectOption("cpu");
  for (const [i, spec] of specs.entries()) {
    await applySpec(page, spec);
    await runHere(page);
    const run = await finished(page, 600_000);
    const worst = difference(await lastRecorded(page), expected[i]);
    console.log(`${spec.kind}: ${worst.toExponential(1)} from the command line`);
    // The same Rust code in f64 with other instructions; near the floor of the Riemannian distance 1e-10 of rounding is amplified. The ends of a path are at
    // distance 0 from themselves, where arccos makes 3e-8 of a rounding.
    assert.ok(worst <= (spec.kind === "shape_path" ? 1e-7 : 1e-8), `${spec.kind}: ${worst}`);
    if (spec.kind !== "similarity") await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
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

test("populations on the server equal the command line", { skip }, async (t) => {
  await assertServerAgrees(t, server, load, specs, expected);
});

test("a matrix of distances fills in while it is computed, here and on the server", { skip }, async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page, errors } = await openPage(browser, server.url);
  const many = mkdtempSync(join(tmpdir(), "eigenscope-networks-"));
  t.after(() => rmSync(many, { recursive: true }));
  const networks = Array.from({ length: 90 }, (_, k) => join(many, `net${k}.npy`));
  networks.forEach((path, k) => writeFileSync(path, npy(240, 120, (i) => Math.sin(i * 0.37 + k) + Math.cos(i * i * 0.011 * (k + 1)))));
  await page.getByTestId("file-input").setInputFiles(networks);
  await page.getByTestId("dataset-card").nth(89).waitFor({ timeout: 120_000 });
  await page.getByTestId("device-select").selectOption("cpu");
  await applySpec(page, { kind: "shape_distance", inputs: networks.map((_, k) => `net${k}`) });
  for (const [where, start] of [["here", runHere], ["on the server", runOnServer]]) {
    await start(page);
    const run = page.getByTestId("run-item").first();
    await run.getByTestId("result-footer").getByText("Still computing").waitFor({ timeout: 60_000 });
    assert.equal(await run.getAttribute("data-state"), "running", where);
    const known = async () => Number(/^([\d,]+) of/.exec((await run.getByText("cells have no value").first().innerText()).replaceAll(" ", " "))?.[1].replaceAll(",", ""));
    const first = await known();
    assert.ok(first > 0 && first < 90 * 90, `${where}: ${first} cells are unknown`);
    if (where === "here") await shot(page, "population-filling");
    await finished(page, 300_000);
    await run.getByTestId("result-footer").getByText("Computed on").waitFor();
    assert.equal(await run.getByText("cells have no value").count(), 0, `${where}: all are known in the end`);
  }
  assert.deepEqual(errors, []);
});
