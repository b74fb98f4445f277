// What a person does on the page, as steps.
import { join } from "node:path";

import { screenshots } from "./server.mjs";

/** A float64 .npy file of rows x columns, or of another shape with as many values. */
export function npy(rows, columns, value, shape = [rows, columns]) {
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const header = text.padEnd(Math.ceil((11 + text.length) / 64) * 64 - 11) + "\n";
  const head = Buffer.alloc(10);
  head.write("\x93NUMPY\x01\x00", 0, "latin1");
  head.writeUInt16LE(header.length, 8);
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < values.length; i++) values[i] = value(i);
  return Buffer.concat([head, Buffer.from(header, "latin1"), Buffer.from(values.buffer)]);
}

/** Loads the sample data and waits for its datasets. */
export async function sample(page) {
  const before = await page.getByTestId("dataset-card").count();
  await page.getByTestId("sample").first().click();
  await page.getByTestId("dataset-card").nth(before + 3).waitFor();
}

export const choose = (page, kind) => page.getByTestId("analysis-select").selectOption(kind);

/** Pastes a spec into the form. */
export async function applySpec(page, spec, valid = true) {
  const box = page.getByTestId("spec-json");
  if (!(await box.isVisible())) await page.locator("details.spec > summary").click();
  await box.fill(JSON.stringify(spec));
  await page.getByTestId("spec-apply").click();
  if (valid) await page.waitForFunction(() => document.querySelector('[data-testid="spec-apply"]').disabled);
}

export const runHere = (page) => page.getByTestId("run-here").click();
export const runOnServer = (page) => page.getByTestId("run-server").click();

/** Waits until the newest run is done and returns its element. */
export async function finished(page, timeout = 120_000) {
  const run = page.getByTestId("run-item").first();
  await run.waitFor();
  await page.waitForFunction(
    () => ["done", "failed", "canceled"].includes(document.querySelector('[data-testid="run-item"]')?.dataset.state),
    undefined,
    { timeout },
  );
  const state = await run.getAttribute("data-state");
  if (state !== "done") throw new Error(`the run ended ${state}: ${await run.innerText()}`);
  return run;
}

/** Serious violations of accessibility; the page must have the checker (`axeSource`). */
export async function violations(page) {
  const found = await page.evaluate(async () => (await window.axe.run(document)).violations);
  return found.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ").slice(0, 300)}`);
}

/** In a narrow dark window nothing may be wider than the window; leaves the window wide and light. */
export async function narrow(page, name) {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.waitForTimeout(500);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (overflow > 0) throw new Error(`${name} is ${overflow} px wider than a narrow window`);
  await shot(page, `${name}-narrow`);
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 800 });
}

export const shot = (page, name) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true, animations: "disabled" });
