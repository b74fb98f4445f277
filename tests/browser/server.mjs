// Starts the real server on a free port with a fresh data folder, and a browser beside it.
import { spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const require = createRequire(new URL("../../frontend/package.json", import.meta.url));
const { chromium } = require("playwright-core");
export const axeSource = require.resolve("axe-core/axe.min.js");

export const screenshots = process.env.SCREENSHOTS ?? join(tmpdir(), "eigenscope-screenshots");
mkdirSync(screenshots, { recursive: true });

const freePort = async () => {
  const { createServer } = await import("node:net");
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
};

/** The server: its address with the token, and its end. `place` is where another one ran that was stopped and kept its data; `env` is added to its variables. */
export async function startServer({ place, args = [], env = {} } = {}) {
  const folder = place?.folder ?? mkdtempSync(join(tmpdir(), "eigenscope-"));
  const port = place?.port ?? (await freePort());
  const child = spawn(process.env.EIGENSCOPE, ["serve", "--port", `${port}`, "--data-dir", folder, "--token", "browser-tests", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let log = "";
  child.stderr.on("data", (data) => { log += data; });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on("data", (data) => {
      const found = /http:\/\/\S+/.exec(`${data}`);
      if (found) resolve(found[0]);
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
  });
  return {
    url,
    origin: new URL(url).origin,
    place: { folder, port },
    stop: async ({ keepData = false } = {}) => {
      const ended = new Promise((resolve) => child.on("exit", resolve));
      child.kill("SIGTERM");
      await ended;
      if (!keepData) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A headless Chromium; with `gpu` it offers WebGPU on SwiftShader, with `host` that name leads to this machine. */
export const startBrowser = ({ gpu = false, host } = {}) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(gpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : []),
      ...(host ? [`--host-resolver-rules=MAP ${host} 127.0.0.1`] : []),
    ],
  });

/** A page on the server whose errors fail the test that asks for them. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(`${error}`));
  page.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
  await page.goto(url);
  return { page, context, errors };
}
