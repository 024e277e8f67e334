import { gzipSync } from "node:zlib";

export interface PackedFile {
  /** Inside of the archive, with `/`, up to 100 bytes. */
  readonly path: string;
  readonly executable: boolean;
  readonly content: Uint8Array;
}

const block = 512;

/** A `.tar.gz` that is the same for the same files: no owner, no time, their own order. */
export function tarGz(files: readonly PackedFile[]): Buffer {
  const parts = files.flatMap((file) => {
    const rest = file.content.byteLength % block;
    return [header(file), file.content, Buffer.alloc(rest === 0 ? 0 : block - rest)];
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * block)]), { level: 1 });
}

/** As POSIX says (ustar): texts from the left, numbers in octal. */
function header({ path, executable, content }: PackedFile): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`'${path}' is longer than 100 bytes`);
  const bytes = Buffer.alloc(block);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  bytes.write(path, 0);
  bytes.write(octal(executable ? 0o755 : 0o644, 7), 100);
  bytes.write(octal(0, 7), 108); // user
  bytes.write(octal(0, 7), 116); // group
  bytes.write(octal(content.byteLength, 11), 124);
  bytes.write(octal(0, 11), 136); // time
  bytes.write(" ".repeat(8), 148); // the sum counts itself as spaces
  bytes.write("0", 156); // a plain file
  bytes.write("ustar\x0000", 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return bytes;
}
