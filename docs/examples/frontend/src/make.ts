import { dr } from "./darkroom.ts";

export async function quoteStory(photos: Iterable<File>) {
  const items = await dr.uploads.start(photos).done; // Sent and checked, each with its `asset` or `error`.
  const photoAssetIds = items.flatMap(({ asset }) =>
    asset?.status === "uploaded" ? asset.assetId : [],
  );
  const inputs = { photoAssetIds, stage: "spark", genre: "romance" } as const;
  const { data: quote } = await dr.POST("/api/jobs/quote", { body: { recipe: "story", inputs } });
  return { ...quote, inputs };
}

export async function confirmStory({ inputs, quoteId }: Awaited<ReturnType<typeof quoteStory>>) {
  const body = { mode: "story", ...inputs, quoteId } as const;
  return (await dr.POST("/api/jobs/confirm", { body, action: dr.action() })).data.jobId;
}

export async function regenerateClip(jobId: string, clipNo: number) {
  const body = { target: "story_clip", clipNo } as const;
  const options = { params: { path: { jobId } }, body, action: dr.action() };
  return (await dr.POST("/api/jobs/{jobId}/regenerate", options)).data.jobId;
}

export async function share(jobId: string) {
  const options = { params: { path: { jobId } }, body: {}, action: dr.action() };
  return (await dr.POST("/api/jobs/{jobId}/share", options)).data.url;
}
