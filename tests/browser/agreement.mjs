// What tests of many specs do alike: the command line's results, a page whose results are recorded, and the server against the command line.
import assert from "node:assert/strict";

import { commandLine, difference, newestResult, recordWorkers } from "./results.mjs";
import { axeSource, openPage, startBrowser } from "./server.mjs";
import { applySpec, finished, runOnServer } from "./steps.mjs";

/** The command line's results of specs, each with the files that it names. */
export function expectedOf(specs, files) {
  const used = (spec) => Object.entries(files).filter(([name]) => JSON.stringify(spec).includes(`"${name}"`));
  return Promise.all(specs.map((spec) => commandLine(spec, Object.fromEntries(used(spec)))));
}

/** A page that keeps what its workers send and has the checker of accessibility; it closes with the test. `options` are those of the browser. */
export async function openRecorded(t, server, options) {
  const browser = await startBrowser(options);
  t.after(() => browser.close());
  const opened = await openPage(browser, "about:blank", { bypassCSP: true });
  await opened.page.addInitScript(recordWorkers);
  await opened.page.goto(server.url);
  await opened.page.addScriptTag({ path: axeSource });
  return opened;
}

/** Runs the specs on the server, on a page where `load` gives the data: results are those of the command line to the bit. */
export async function assertServerAgrees(t, server, load, specs, expected) {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page, errors } = await openPage(browser, server.url);
  await load(page);
  for (const [i, spec] of specs.entries()) {
    await applySpec(page, spec);
    await runOnServer(page);
    await finished(page, 300_000);
    assert.equal(difference(await newestResult(page, server), expected[i]), 0, spec.kind);
  }
  assert.deepEqual(errors, []);
}
