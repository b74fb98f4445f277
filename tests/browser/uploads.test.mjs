// Files on their way to the server: by the library that everybody uses, by the page with pauses and reloads, and files that lie there already.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { openPage, startBrowser, startServer } from "./server.mjs";
import { applySpec, choose, finished, narrow, npy, runOnServer, shot } from "./steps.mjs";

const require = createRequire(new URL("../../frontend/package.json", import.meta.url));
const tus = require("tus-js-client");

const PIECE = 8 * 1024 * 1024;
let server;
let browser;
let lab;

before(async () => {
  lab = mkdtempSync(join(tmpdir(), "eigenscope-lab-"));
  mkdirSync(join(lab, "monkey"));
  writeFileSync(join(lab, "monkey", "IT.npy"), npy(40, 12, (i) => Math.sin(i * i)));
  [server, browser] = await Promise.all([startServer({ args: ["--root", lab] }), startBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(lab, { recursive: true, force: true });
});

const headers = { authorization: "Bearer browser-tests" };
const ask = async (path) => (await fetch(`${server.origin}/api/v1/${path}`, { headers })).json();
/** 20 MiB: three pieces. */
const large = (seed) => npy(1280, 2048, (i) => Math.sin(i + seed));

test("tus-js-client uploads, breaks off and goes on", async () => {
  const bytes = npy(500, 200, (i) => Math.cos(i));
  const sent = (options) =>
    new Promise((resolve, reject) => {
      const upload = new tus.Upload(bytes, {
        endpoint: `${server.origin}/api/v1/uploads`,
        headers,
        chunkSize: 300_000,
        metadata: { filename: "by the library.npy" },
        retryDelays: [],
        onError: reject,
        onSuccess: () => resolve({ url: upload.url, whole: true }),
        onChunkComplete: (_, accepted) => {
          if (options.stopAt && accepted >= options.stopAt) upload.abort().then(() => resolve({ url: upload.url, accepted }));
        },
        ...options,
      });
      upload.start();
    });
  const begun = await sent({ stopAt: 300_000 });
  assert.ok(begun.accepted < bytes.length, "it broke off");
  const offsets = [];
  const done = await sent({ uploadUrl: begun.url, onProgress: (at) => offsets.push(at) });
  assert.ok(done.whole && Math.min(...offsets) >= 300_000, "what was there was not sent again");
  const { dataset, received_bytes } = await ask(begun.url.split("/api/v1/")[1]);
  assert.equal(received_bytes, bytes.length);
  assert.deepEqual((await ask(`datasets/${dataset}`)).arrays[0].shape, [500, 200]);
  // And gives one up.
  const other = await sent({ stopAt: 300_000, metadata: { filename: "given up.npy" } });
  await tus.Upload.terminate(other.url, { headers });
  assert.deepEqual(await ask("uploads"), []);
});

test("an upload of the page waits when asked, goes on after a reload, and is not sent twice", async () => {
  const { page, context, errors } = await openPage(browser, server.url);
  await page.getByTestId("drop-zone").waitFor();
  let sent = 0;
  let open;
  let gate = Promise.resolve();
  await page.route("**/api/v1/uploads/*", async (route) => {
    if (route.request().method() === "PATCH") {
      sent += 1;
      await gate;
    }
    await route.continue().catch(() => {});
  });
  const choose20 = async () => {
    await page.getByTestId("file-input").setInputFiles({ name: "V4.npy", mimeType: "application/octet-stream", buffer: large(1) });
    await page.getByTestId("dataset-card").first().waitFor();
    await choose(page, "dimensionality");
  };
  await choose20();
  gate = new Promise((resolve) => { open = resolve; });
  await runOnServer(page);
  // The first piece is held back: pause, and let it go.
  await page.getByTestId("upload-pause").click();
  open();
  await page.getByTestId("run-step").filter({ hasText: "paused: V4.npy (8.0 MiB of 20.0 MiB)" }).waitFor();
  assert.equal((await ask("uploads"))[0].received_bytes, PIECE);
  await shot(page, "upload-paused");
  // The next piece never leaves this page; the page is closed over it.
  gate = new Promise(() => {});
  await page.getByTestId("upload-pause").click();
  await page.getByTestId("run-step").filter({ hasText: "uploading V4.npy (8.0 MiB of 20.0 MiB)" }).waitFor();
  await page.reload();
  gate = Promise.resolve();
  sent = 0;
  await page.getByTestId("server-files").locator("summary").click();
  await page.getByTestId("server-upload").filter({ hasText: "8.0 MiB of 20.0 MiB arrived" }).waitFor();
  await choose20();
  await runOnServer(page);
  await finished(page);
  assert.equal(sent, 2, "only the two pieces that were missing were sent");
  // The server knows it: another analysis of the same file in another page sends nothing.
  await page.reload();
  await choose20();
  sent = 0;
  await choose(page, "rdm");
  await runOnServer(page);
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="run-item"][data-state="done"]').length >= 2);
  assert.equal(sent, 0);
  assert.deepEqual(errors, []);
  await context.close();
});

test("files of the server are listed, used, taken where they lie, and deleted", async () => {
  const { page, context } = await openPage(browser, server.url);
  await page.getByTestId("drop-zone").waitFor();
  await page.getByTestId("server-files").locator("summary").click();
  const file = page.getByTestId("server-file").filter({ hasText: "by the library.npy" });
  await file.waitFor();
  assert.match(await page.getByTestId("disk-use").innerText(), /in \d+ files?, .* of results; .* free/);
  await file.getByTestId("server-file-use").click();
  await page.getByTestId("dataset-card").filter({ hasText: "by the library.npy" }).waitFor();
  await file.getByTestId("server-file-delete").click();
  await file.waitFor({ state: "detached" });
  // A file in a folder of the server's machine.
  await page.getByTestId("folder-entry").filter({ hasText: lab }).click();
  await page.getByTestId("folder-entry").filter({ hasText: "monkey" }).click();
  await page.getByTestId("folder-entry").filter({ hasText: "IT.npy" }).click();
  const card = page.locator('[data-testid="dataset-card"][data-name="IT"]');
  await card.waitFor();
  assert.match(await card.innerText(), /40 × 12[\s\S]*on the server/);
  await shot(page, "server-files");
  await narrow(page, "server-files");
  await applySpec(page, { kind: "rdm", input: "IT", measure: "correlation" });
  await page.getByTestId("estimate").filter({ hasText: "run it there" }).waitFor();
  assert.ok(await page.getByTestId("run-here").isDisabled(), "its values are not here");
  await runOnServer(page);
  await finished(page);
  await page.getByTestId("server-file").filter({ hasText: "in place" }).waitFor();
  await context.close();
});
