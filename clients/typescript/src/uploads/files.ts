/** Files to upload: what they are, and whether a file chosen again is the same one. */

/** A `File` of a page, or a Blob with a name (Node: `fs.openAsBlob`; React Native: `fetch(uri)`). */
export type UploadSource = File | NamedBlob;

export interface NamedBlob {
  readonly name: string;
  readonly blob: Blob;
  /** The MIME type if the Blob has none. Empty: the API decides by the ending of the name. */
  readonly type?: string;
  readonly lastModified?: number;
  /** Lets a browser open the same file again after a reload, however large it is. */
  readonly handle?: FileSystemFileHandle;
}

export interface LocalFile {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly lastModified: number;
  readonly blob: Blob;
  readonly handle?: FileSystemFileHandle;
}

const EDGE_BYTES = 1024 * 1024;

export function localFile(source: UploadSource): LocalFile {
  if (!("blob" in source)) {
    const { name, type, size, lastModified } = source;
    return { name, type, size, lastModified, blob: source };
  }
  const { name, blob, type = blob.type, lastModified = 0, handle } = source;
  return { name, type, size: blob.size, lastModified, blob, ...(handle ? { handle } : {}) };
}

/** A hash of the first and the last MiB; empty where the runtime has no WebCrypto. */
export async function fingerprint(blob: Blob): Promise<string> {
  const { subtle } = globalThis.crypto ?? {};
  if (subtle === undefined) return "";
  const edges = [blob.slice(0, EDGE_BYTES), blob.slice(Math.max(0, blob.size - EDGE_BYTES))];
  const bytes = await new Blob(edges).arrayBuffer();
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
