// Results as numbers: what the worker and the server send, and what the command line prints.
import { execFileSync } from "node:child_process";
import { writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Reads an envelope: JSON with arrays as { shape, at } beside little-endian f64. */
export function unpack(bytes) {
  const length = bytes.readUInt32LE(8);
  const header = JSON.parse(bytes.subarray(12, 12 + length).toString("utf8"));
  const start = Math.ceil((12 + length) / 8) * 8;
  const values = new Float64Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
  const fill = (value) => {
    if (Array.isArray(value)) return value.map(fill);
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value.shape) && typeof value.at === "number") {
      const size = value.shape.reduce((a, b) => a * b, 1);
      return Array.from(values.subarray(value.at, value.at + size));
    }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item)]));
  };
  return fill(header);
}

/** Flattens nested lists and turns null into NaN, as envelopes have it. */
const flat = (value) => (Array.isArray(value) ? value.flat(Infinity).map((v) => v ?? NaN) : value);

/** The result of the server's newest job. */
export async function newestResult(page, server) {
  const jobs = await (await page.request.get(`${server.origin}/api/v1/jobs`)).json();
  const newest = jobs.toSorted((a, b) => b.created_ms - a.created_ms)[0];
  const response = await page.request.get(`${server.origin}/api/v1/jobs/${newest.id}/result`, {
    headers: { accept: "application/vnd.eigenscope.result" },
  });
  return unpack(await response.body());
}

/** The command line's result for the same spec. */
export function commandLine(spec, inputs, device = "cpu") {
  const folder = mkdtempSync(join(tmpdir(), "eigenscope-spec-"));
  writeFileSync(join(folder, "spec.json"), JSON.stringify(spec));
  const named = Object.entries(inputs).flatMap(([name, path]) => ["--input", `${name}=${path}`]);
  execFileSync(process.env.EIGENSCOPE, ["run", join(folder, "spec.json"), ...named, "--device", device, "-o", join(folder, "out.eigr")]);
  return import("node:fs").then(({ readFileSync }) => unpack(readFileSync(join(folder, "out.eigr"))));
}

/**
 * Largest difference of two results relative to the largest value of each array (or to the number itself).
 * Throws where one has a number and the other has none.
 */
export function difference(a, b, path = "") {
  if (["device", "version", "warnings"].includes(path)) return 0;
  const isList = (v) => Array.isArray(v) && (v.length === 0 || v.every((x) => x === null || typeof x === "number"));
  if (isList(a) && isList(b)) {
    const [x, y] = [flat(a), flat(b)];
    if (x.length !== y.length) throw new Error(`${path}: ${x.length} and ${y.length} values`);
    let scale = 0;
    let worst = 0;
    for (let i = 0; i < x.length; i++) {
      if (Number.isNaN(x[i]) !== Number.isNaN(y[i])) throw new Error(`${path}[${i}]: ${x[i]} and ${y[i]}`);
      if (Number.isNaN(x[i])) continue;
      scale = Math.max(scale, Math.abs(y[i]));
      worst = Math.max(worst, Math.abs(x[i] - y[i]));
    }
    return scale > 0 ? worst / scale : worst;
  }
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
  if (a !== null && b !== null && typeof a === "object" && typeof b === "object") {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return Math.max(0, ...[...keys].map((key) => difference(a[key], b[key], path ? `${path}.${key}` : key)));
  }
  if (a !== b) throw new Error(`${path}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
  return 0;
}

/** Before a page opens: keeps the envelopes that its workers send, and the workers themselves. */
export const recordWorkers = () => {
  window.recorded = [];
  window.workers = [];
  const Original = window.Worker;
  window.Worker = class extends Original {
    constructor(...args) {
      super(...args);
      window.workers.push(this);
      this.addEventListener("message", (event) => {
        if (event.data?.json?.startsWith('{"response":"ran"')) window.recorded.push(new Uint8Array(event.data.buffer.slice(0)));
      });
    }
  };
};

/** The last result that a worker of the page sent. */
export async function lastRecorded(page) {
  const text = await page.evaluate(async () => {
    const bytes = window.recorded.at(-1);
    const url = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(new Blob([bytes]));
    });
    return url.slice(url.indexOf(",") + 1);
  });
  return unpack(Buffer.from(text, "base64"));
}
