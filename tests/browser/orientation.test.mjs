// The orientation model on WebGPU: the same network learns the same there as on the CPU.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { openRecorded } from "./agreement.mjs";
import { difference, lastRecorded } from "./results.mjs";
import { startServer } from "./server.mjs";
import { applySpec, finished, runHere } from "./steps.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const EPOCHS = 3;

/** Runs it on a device of this browser. */
async function learned(page, device) {
  await page.getByTestId("device-select").selectOption(device);
  await runHere(page);
  const run = await finished(page, 800_000);
  console.log((await run.getByTestId("run-state").locator("..").innerText()).trim());
  const result = await lastRecorded(page);
  assert.equal(result.device.kind, device);
  assert.deepEqual([result.losses.length, result.populations.map((p) => p.name)], [EPOCHS, ["V1 (simulated)", "pool", "fc"]]);
  return result;
}

test("the orientation model learns on WebGPU what it learns on the CPU", { timeout: 900_000 }, async (t) => {
  const { page, errors } = await openRecorded(t, server, { gpu: true });
  await applySpec(page, { kind: "orientation", epochs: EPOCHS, n_train: 200, batch: 50 });
  const cpu = await learned(page, "cpu");
  const gpu = await learned(page, "webgpu");
  // Both add in single precision, in another order: 6e-8 a sum, which a dozen steps with a momentum of .99 pass on to the next. Seen: 4e-7 in losses,
  // 9e-6 in the fit to neurons, which takes 200 steps.
  for (const [what, of] of Object.entries({
    losses: (r) => [r.losses, r.last_losses],
    filters: (r) => r.filters_after,
    comparisons: (r) => r.comparisons,
    fit: (r) => [r.encoding.train_losses, r.encoding.test_losses, r.encoding.filters],
  })) {
    const away = difference({ [what]: of(gpu) }, { [what]: of(cpu) });
    console.log(`${what}: ${away.toExponential(1)} from the CPU`);
    assert.ok(away < 1e-4, `${what}: ${away}`);
  }
  assert.equal(gpu.accuracy, cpu.accuracy, "no grating is so near to the border that rounding decides");
  assert.deepEqual(errors, []);
});
