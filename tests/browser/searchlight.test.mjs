// Searchlights over a NIfTI image: here, on the server and on the command line.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";

import { openRecorded } from "./agreement.mjs";
import { commandLine, difference, lastRecorded, newestResult } from "./results.mjs";
import { startServer } from "./server.mjs";
import { applySpec, choose, finished, narrow, npy, runHere, runOnServer, shot, violations } from "./steps.mjs";

/** A single-precision NIfTI-1 file; values with the first axis fastest. */
function nifti(shape, value) {
  const header = Buffer.alloc(352);
  header.writeInt32LE(348, 0);
  [shape.length, ...shape].forEach((n, i) => header.writeInt16LE(n, 40 + 2 * i));
  header.writeInt16LE(16, 70);
  header.writeInt16LE(32, 72);
  for (let i = 0; i < 8; i++) header.writeFloatLE(i < 4 ? [1, 3, 3, 3][i] : 1, 76 + 4 * i);
  header.writeFloatLE(352, 108);
  header.writeInt16LE(1, 254);
  [3, 0, 0, -18, 0, 3, 0, -15, 0, 0, 3, -12].forEach((v, i) => header.writeFloatLE(v, 280 + 4 * i));
  header.write("n+1\0", 344, "latin1");
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < values.length; i++) values[i] = value(i);
  return Buffer.concat([header, Buffer.from(values.buffer)]);
}

// Conditions differ in one corner of the volume as they do in the model, elsewhere as chance has it.
const [nx, ny, nz, n] = [12, 10, 8, 10];
const place = (i) => [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny)) % nz, Math.floor(i / (nx * ny * nz))];
const noise = (i) => Math.sin(i * 12.9898) * 43758.5453 % 1;
const inCorner = ([x, y, z]) => Math.hypot(x - 3, y - 3, z - 3) < 2.5;
const signal = ([x, y, z, c]) => (c < n / 2 ? 1 : -1) * Math.cos(x + 2 * y + 3 * z);
const folder = mkdtempSync(join(tmpdir(), "eigenscope-searchlight-"));
const files = { betas: join(folder, "betas.nii.gz"), mask: join(folder, "mask.nii"), model: join(folder, "model.npy") };
writeFileSync(files.betas, gzipSync(nifti([nx, ny, nz, n], (i) => noise(i) + (inCorner(place(i)) ? 2 * signal(place(i)) : 0))));
writeFileSync(files.mask, nifti([nx, ny, nz], (i) => Number(Math.hypot(place(i)[0] - 5.5, place(i)[1] - 4.5, place(i)[2] - 3.5) < 5)));
writeFileSync(files.model, npy(n, n, (i) => Number(Math.floor(i / n) < n / 2 !== i % n < n / 2)));
const spec = { kind: "searchlight", rdm: { input: "betas" }, mask: "mask", models: ["model"], radius: 2.1, threshold: 0.8, compare: "spearman" };

let server;
let expected;
before(async () => {
  server = await startServer();
  expected = await commandLine(spec, files);
});
after(() => server?.stop());

test("a searchlight finds where a model fits, here and on the server", async (t) => {
  const { page, errors } = await openRecorded(t, server);
  await page.getByTestId("file-input").setInputFiles(Object.values(files));
  await page.getByTestId("dataset-card").nth(2).waitFor();
  // Dropped files are offered where they fit.
  await choose(page, "searchlight");
  await page.locator('[id="rdm.input"]').waitFor();
  assert.equal(await page.locator('[id="rdm.input"]').inputValue(), "betas");
  await shot(page, "searchlight-form");
  await applySpec(page, spec);
  await runHere(page);
  const run = await finished(page);
  const worst = difference(await lastRecorded(page), expected);
  console.log(`searchlight: ${worst.toExponential(1)} from the command line`);
  // The same Rust code in f64 with other instructions.
  assert.ok(worst <= 1e-10, `${worst}`);
  const { voxel } = expected.maps[0].best;
  assert.ok(Math.hypot(...voxel.map((v) => v - 3)) < 2.5, `the best is in the corner: ${voxel}`);
  await run.getByTestId("plot").first().locator(".main-svg").first().waitFor();
  const summary = run.getByTestId("figure-summary").first();
  assert.match(await summary.innerText(), new RegExp(`Slice z = ${voxel[2]}`));
  await run.getByTestId("searchlight-axis").selectOption("0");
  await page.waitForFunction((x) => document.querySelector('[data-testid="figure-summary"]').textContent.includes(`Slice x = ${x}`), voxel[0]);
  await run.getByTestId("searchlight-axis").selectOption("2");
  const download = page.waitForEvent("download");
  await run.getByTestId("searchlight-save").click();
  const saved = readFileSync(await (await download).path());
  const at = 352 + 4 * (voxel[0] + nx * (voxel[1] + ny * voxel[2]));
  assert.ok(Math.abs(saved.readFloatLE(at) - expected.maps[0].best.score) < 1e-6, "the map has the best score at its place");
  assert.deepEqual(await violations(page), []);
  await page.waitForTimeout(500);
  await shot(page, "searchlight");
  await narrow(page, "searchlight");
  await runOnServer(page);
  await finished(page);
  assert.equal(difference(await newestResult(page, server), expected), 0);
  assert.deepEqual(errors, []);
});
