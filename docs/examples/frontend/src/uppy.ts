import type { Schemas } from "@darkroom/client";
import { dr } from "./darkroom.ts";

interface File {
  id: string;
  name: string;
  type: string;
  size: number | null;
  meta: { assetId?: string };
}
interface Uppy {
  getFile(id: string): File;
  setFileMeta(id: string, meta: { assetId: string }): void;
  addPreProcessor(open: (ids: string[]) => Promise<void>): void;
}

const sessions = new Map<string, Schemas["UploadSession"]>(); // By asset.
const partSizes = new Map<number, number>(); // By size of the file, which alone decides it.

/** Before Uppy sends anything: one request opens the sessions of all its files. */
function openBeforehand(uppy: Uppy) {
  uppy.addPreProcessor(async (ids) => {
    const files = ids.map((id) => uppy.getFile(id)).filter(({ meta }) => !meta.assetId);
    if (files.length === 0) return;
    const body = {
      files: files.map(({ name, size, type }) => ({
        filename: name,
        sizeBytes: size ?? 0,
        mimeType: type,
      })),
    };
    const { data } = await dr.POST("/api/uploads/session", { body, action: dr.action() });
    files.forEach(({ id, size }, place) => {
      const session = "sessions" in data ? data.sessions[place]! : data;
      sessions.set(session.assetId, session);
      partSizes.set(size ?? 0, session.partSize);
      uppy.setFileMeta(id, { assetId: session.assetId });
    });
  });
}

const isCut = ({ size }: { size: number | null }) =>
  (size ?? 0) > (partSizes.get(size ?? 0) ?? Infinity);
const getChunkSize = ({ size }: { size: number | null }) => partSizes.get(size ?? 0) ?? 8 << 20;
const path = (assetId: string) => ({ params: { path: { assetId } } });
const putOf = (assetId: string) => {
  const { uploadUrls, headers } = sessions.get(assetId)!;
  return { method: "PUT" as const, url: uploadUrls[0]!.url, headers };
};
async function signPart(assetId: string, partNumber: number) {
  const { data } = await dr.POST("/api/uploads/{assetId}/urls", {
    ...path(assetId),
    body: { partNumbers: [partNumber] },
  });
  return { url: data.uploadUrls[0]!.url };
}
async function listParts(assetId: string) {
  const { data } = await dr.GET("/api/uploads/{assetId}", path(assetId));
  return data.parts.map(({ partNumber, sizeBytes, etag }) => ({
    PartNumber: partNumber,
    Size: sizeBytes,
    ETag: etag,
  }));
}

/** Options of `@uppy/aws-s3` 5: a hook for each step. The asset's id is key and upload id. */
export function forUppy5(uppy: Uppy) {
  openBeforehand(uppy);
  return {
    shouldUseMultipart: isCut,
    getChunkSize,
    getUploadParameters: ({ meta }: File) => putOf(meta.assetId!),
    createMultipartUpload: async ({ meta }: File) => ({
      uploadId: meta.assetId!,
      key: meta.assetId!,
    }),
    signPart: (_: File, { key, partNumber }: { key: string; partNumber: number }) =>
      signPart(key, partNumber),
    listParts: (_: File, { key }: { key: string }) => listParts(key),
    completeMultipartUpload: async (_: File, { key }: { key: string }) => {
      await dr.POST("/api/uploads/complete", { body: { assetId: key } });
      return { location: key };
    },
    abortMultipartUpload: async (_: File, { key }: { key: string }) => {
      await dr.DELETE("/api/uploads/{assetId}", path(key));
    },
  };
}

/** Options of `@uppy/aws-s3` 6. It sends each step to an address that `signRequest` returns, also those
 * that are calls of the API here: these are made at once, and Uppy reads their result from a `data:` address. */
export function forUppy6(uppy: Uppy) {
  openBeforehand(uppy);
  return {
    shouldUseMultipart: isCut,
    getChunkSize,
    generateObjectKey: ({ meta }: File) => meta.assetId!,
    signRequest: async ({
      method,
      key,
      uploadId,
      partNumber,
    }: {
      method: string;
      key: string;
      uploadId?: string;
      partNumber?: number;
    }) => {
      if (method === "PUT") return partNumber ? signPart(key, partNumber) : putOf(key);
      if (method === "DELETE")
        return dr.DELETE("/api/uploads/{assetId}", path(key)).then(() => ({ url: "data:," }));
      if (method === "GET") {
        const parts = (await listParts(key)).map(
          ({ PartNumber, ETag }) =>
            `<Part><PartNumber>${PartNumber}</PartNumber><ETag>${ETag}</ETag></Part>`,
        );
        return xml("ListPartsResult", parts.join(""));
      }
      if (!uploadId) return xml("InitiateMultipartUploadResult", `<UploadId>${key}</UploadId>`);
      await dr.POST("/api/uploads/complete", { body: { assetId: key } });
      return xml(
        "CompleteMultipartUploadResult",
        `<Location>${key}</Location><Key>${key}</Key><ETag>-</ETag>`,
      );
    },
  };
}

const xml = (name: string, content: string) => ({
  url: `data:application/xml,${encodeURIComponent(`<${name}>${content}</${name}>`)}`,
});
