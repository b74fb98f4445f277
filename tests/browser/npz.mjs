// Arrays of .npz files as numbers.
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";

/** The arrays of single precision in an archive by their names: { shape, values }. */
export function readNpz(path) {
  const bytes = readFileSync(path);
  const out = new Map();
  // The directory is at the end; each of its entries says where the file begins.
  let end = bytes.length - 22;
  while (bytes.readUInt32LE(end) !== 0x06054b50) end--;
  let at = bytes.readUInt32LE(end + 16);
  for (let i = 0; i < bytes.readUInt16LE(end + 10); i++) {
    const [method, size, nameLength, extra, comment, start] = [
      bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20), bytes.readUInt16LE(at + 28),
      bytes.readUInt16LE(at + 30), bytes.readUInt16LE(at + 32), bytes.readUInt32LE(at + 42),
    ];
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength).replace(/\.npy$/, "");
    const from = start + 30 + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28);
    const packed = bytes.subarray(from, from + size);
    out.set(name, npyArray(method === 8 ? inflateRawSync(packed) : packed));
    at += 46 + nameLength + extra + comment;
  }
  return out;
}

function npyArray(bytes) {
  const length = bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, 10 + length);
  if (!header.includes("'<f4'")) throw new Error(`not single precision: ${header}`);
  const shape = /\(([^)]*)\)/.exec(header)[1].split(",").filter((n) => n.trim()).map(Number);
  const start = 10 + length;
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + start + 4 * shape.reduce((a, b) => a * b, 1)));
  return { shape, values };
}
