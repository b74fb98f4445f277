// Networks on the page: their values on both devices, profiles against brains, and what is said of wrong ones.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { openRecorded } from "./agreement.mjs";
import { readNpz } from "./npz.mjs";
import { difference, lastRecorded, newestResult } from "./results.mjs";
import { startServer } from "./server.mjs";
import { applySpec, finished, narrow, runHere, runOnServer, shot, violations } from "./steps.mjs";

const data = join(dirname(fileURLToPath(import.meta.url)), "../../../shared/data");
const networks = ["tiny_resnet", "tiny_resnet_opset17", "tiny_vit", "squeezenet1_1", "mobilenet_v3_small_050", "efficientnet_lite0"];
const file = (name) => join(data, "networks", name);
const skip = existsSync(file("tiny_resnet.onnx")) ? false : "the networks are not beside the checkout (shared/data)";

let server;
before(async () => {
  if (!skip) server = await startServer();
});
after(() => server?.stop());

const card = (page, name) => page.locator(`[data-testid="dataset-card"][data-name="${name}"]`);

/** The largest difference of a value from its reference, relative to its largest magnitude. */
function worst(result, reference) {
  let worst = 0;
  for (const layer of result.layers) {
    const want = reference.get(layer.name);
    assert.deepEqual(layer.shape, want.shape, layer.name);
    let [scale, error] = [0, 0];
    for (let i = 0; i < want.values.length; i++) {
      scale = Math.max(scale, Math.abs(want.values[i]));
      error = Math.max(error, Math.abs(want.values[i] - layer.values[i]));
    }
    worst = Math.max(worst, error / scale);
  }
  return worst;
}

// 1e-4 on the CPU as for the native program; 1e-3 on WebGPU, whose drivers may contract and reorder sums of single precision.
for (const [device, tolerance] of [["cpu", 1e-4], ["webgpu", 1e-3]]) {
  test(`networks have the values of their references on ${device}`, { skip, timeout: 900_000 }, async (t) => {
    const { page, errors } = await openRecorded(t, server, { gpu: device === "webgpu" });
    for (const name of networks) {
      await page.getByTestId("file-input").setInputFiles([file(`${name}.onnx`), file(`${name}.reference.npz`)]);
      const picker = page.getByTestId("picker");
      await picker.locator("label").filter({ hasText: /^input/ }).click();
      await page.getByTestId("picker-load").click();
      await card(page, "input").waitFor();
      await page.getByTestId("device-select").selectOption(device);
      const reference = readNpz(file(`${name}.reference.npz`));
      const layers = [...reference.keys()].filter((key) => key !== "input");
      await applySpec(page, { kind: "extraction", network: name, images: "input", layers, reading: "full" });
      await runHere(page);
      const run = await finished(page, 600_000);
      const result = await lastRecorded(page);
      assert.equal(result.layers.length, layers.length, name);
      assert.equal(result.device.kind, device, name);
      const error = worst(result, reference);
      console.log(`${name} on ${result.device.name}: ${error.toExponential(1)}`);
      assert.ok(error < tolerance, `${name} on ${device}: ${error}`);
      await run.getByTestId("run-remove").click();
      for (const dataset of [name, "input"]) await card(page, dataset).getByTestId("dataset-remove").click();
    }
    assert.deepEqual(errors, []);
  });
}

test("a network is profiled against brains, here and on the server", { skip, timeout: 600_000 }, async (t) => {
  const { page, errors } = await openRecorded(t, server);
  const photos = readdirSync(join(data, "images92")).filter((name) => name.endsWith(".png")).map((name) => join(data, "images92", name));
  const brains = join(data, "images92/humanIT_4subjects_mean.npy");
  await page.getByTestId("file-input").setInputFiles([file("efficientnet_lite0.onnx"), ...photos]);
  await card(page, "images").waitFor();
  await page.getByTestId("file-input").setInputFiles([brains]);
  await card(page, "humanIT_4subjects_mean").waitFor();
  assert.equal(await page.getByTestId("analysis-select").inputValue(), "layer_profile", "what to do with a network");
  assert.match(await card(page, "efficientnet_lite0").innerText(), /4.631.002 weights/);
  assert.match(await card(page, "images").innerText(), /92 images/);

  await page.locator('[data-testid="layer-browser"] > summary').click();
  await page.getByTestId("graph-filter").fill("Add");
  await page.getByTestId("graph-choose-found").click();
  await page.getByLabel("Preprocessing").selectOption({ label: "EfficientNet-Lite: stretched, (v − 127) / 128" });
  await shot(page, "network-form");
  await page.getByTestId("device-select").selectOption("cpu");
  await runHere(page);
  const run = await finished(page, 600_000);
  const here = await lastRecorded(page);
  const printed = execFileSync(process.env.EIGENSCOPE, [
    "profile", file("efficientnet_lite0.onnx"), "--images", join(data, "images92"), "--preprocess", "efficientnet-lite", "--layers", "add*",
    "--pool", "avg", "--rdms", brains, "--device", "cpu", "--json",
  ]);
  const expected = JSON.parse(printed);
  const numbers = (result) => ({ layers: result.layers, noise_ceiling: result.noise_ceiling, images: result.images });
  // Values of layers are of single precision and differ by 1e-6 between instruction sets; ranks of nearly equal distances may change places.
  const away = difference(numbers(here), numbers(expected));
  console.log(`profile in the browser: ${away.toExponential(1)} from the command line`);
  assert.ok(away < 1e-3, `${away}`);
  await run.getByTestId("plot").locator(".main-svg").first().waitFor();
  await page.waitForTimeout(300);
  assert.deepEqual(await violations(page), []);
  await shot(page, "network-profile");
  await narrow(page, "network-profile");
  await run.getByTestId("run-remove").click();

  await runOnServer(page);
  await finished(page, 300_000);
  assert.equal(difference(numbers(await newestResult(page, server)), numbers(expected)), 0, "the same program");

  // The layers as datasets: what other analyses start from.
  await applySpec(page, { kind: "extraction", network: "efficientnet_lite0", images: "images", layers: ["add*"], reading: "avg", preset: "efficientnet_lite" });
  await runHere(page);
  const extraction = await finished(page, 300_000);
  await shot(page, "network-extraction");
  await extraction.getByTestId("layers-to-datasets").click();
  await card(page, "add_8").waitFor();
  assert.match(await card(page, "add_8").innerText(), /92 × 192/);
  assert.deepEqual(errors, []);
});

test("what is wrong with a network is one sentence", { skip }, async (t) => {
  const { page } = await openRecorded(t, server);
  await page.getByTestId("file-input").setInputFiles({ name: "broken.onnx", mimeType: "application/octet-stream", buffer: Buffer.from("no network at all") });
  await page.getByTestId("error-card").first().waitFor();
  assert.match(await page.getByTestId("error-card").first().innerText(), /broken\.onnx.*no ONNX file/s);
  await page.getByTestId("file-input").setInputFiles([file("tiny_resnet.onnx"), file("tiny_resnet.reference.npz")]);
  await page.getByTestId("picker").locator("label").filter({ hasText: /^output/ }).click();
  await page.getByTestId("picker-load").click();
  await card(page, "output").waitFor();
  await applySpec(page, { kind: "extraction", network: "tiny_resnet", images: "output", layers: ["relu_99"] });
  await runHere(page);
  await page.getByTestId("run-error").waitFor();
  assert.match(await page.getByTestId("run-error").innerText(), /no value "relu_99"; near are "relu_/);
  await applySpec(page, { kind: "extraction", network: "tiny_resnet", images: "output", layers: ["relu"] });
  await runHere(page);
  await page.getByTestId("run-item").nth(1).waitFor();
  await page.getByTestId("run-error").first().waitFor();
  await shot(page, "network-errors");
});
