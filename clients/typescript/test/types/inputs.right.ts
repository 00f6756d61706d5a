/** What must compile: inputs by recipe, words of lists, and the parts of jobs. */

import type { Schemas } from "@darkroom/client";

type Job = Schemas["JobResponse"];
type Create = Schemas["CreateJobsRequest"];
type Quote = Schemas["QuoteRequest"];
type Confirm = Schemas["ConfirmRequest"];
type Patch = Schemas["PatchJobRequest"];

// What is sent.
const scenes = { photoAssetIds: ["ast_1"], stage: "spark", genre: "noir" } as const;
const rewrite = { rawText: "They met.", distanceMode: "far", desiredEnding: "open" } as const;
const create = (body: Create): Create => body;
const photoAssetIds = [...scenes.photoAssetIds];
const film = { ...scenes, photoAssetIds };
void create({ recipe: "quick", status: "draft", inputs: film });
void create({ recipe: "quick", status: "queued", inputs: { ...film, rewriteEnabled: false } });
void create({ recipe: "story", status: "queued", inputs: { ...film, sliders: { warmth: 80 } } });
void create({
  recipe: "story",
  status: "queued",
  inputs: { ...film, rewriteEnabled: true, rewrite, seed: 7 },
  deviceId: "ios-1",
  priority: 9,
});
void create({ recipe: "trailer", status: "queued", inputs: { ...film, sliders: {} } });
void create({
  recipe: "portraits",
  status: "queued",
  inputs: { mode: "batch", referencePhotoIds: ["ref_1"], styles: ["CLASSIC"], totalImages: 4 },
});
void create({ recipe: "captions", status: "draft", inputs: { assetIds: ["ast_1"] } });
void create({
  recipe: "captions",
  status: "queued",
  inputs: {
    assetIds: ["ast_1", "ast_2"],
    options: { sourceLang: "auto", translate: true, targetLangs: ["ko"], outputFormats: ["vtt"] },
  },
});
void create({ recipe: "images", status: "queued", inputs: { prompt: "A pier", count: 2 } });
void create({
  recipe: "images",
  status: "queued",
  inputs: { prompt: "A pier", count: 2, style: "CINEMATIC", aspectRatio: "16:9" },
});
void ({ draftJobId: "job_1" } satisfies Quote);
void ({ recipe: "story", inputs: film } satisfies Quote);
void ({ mode: "story", ...film } satisfies Confirm);
void ({ draftJobId: "job_1", sliders: { pace: 10 } } satisfies Confirm);
void ({ inputs: { sliders: { warmth: null }, rewrite: null } } satisfies Patch);
void ({ inputs: { options: { targetLang: "ko" } } } satisfies Patch);
void ({ stage: "apart", priority: 1 } satisfies Patch);
void ({} satisfies Schemas["RetryRequest"]);
void ({ options: { outputFormats: ["srt"] } } satisfies Schemas["RetryRequest"]);
void ({ options: { sliders: { drama: 5 } } } satisfies Schemas["RetryRequest"]);
void ({
  jobIds: ["job_1"],
  optionsPartial: { diarization: true },
} satisfies Schemas["BulkOptionsRequest"]);

// What is answered: the recipe decides the inputs.
void ((job: Job): string[] => {
  switch (job.recipe) {
    case "quick":
    case "trailer":
      return [job.inputs.genre];
    case "story":
      return [job.inputs.stage, job.inputs.rewrite?.sanitizedText ?? ""];
    case "portraits":
      return job.inputs.styles;
    case "captions":
      return job.inputs.options.targetLangs ?? [];
    case "images":
      return [job.inputs.prompt, job.inputs.aspectRatio];
  }
});
void ((job: Job): "quick" | "story" | "trailer" | undefined => job.mode);
void ((job: Schemas["JobSummary"]) => job.recipe === "story" && job.inputs.sliders.warmth);
void ((job: Schemas["CreatedJob"]) => job.code === "CREDITS_INSUFFICIENT");
void ((job: Job) => job.status === "partial" && job.receipt.reason === "PROVIDER_TIMEOUT");
void ((job: Job) => job.receipt.note === "NO_SPEECH");
void ((job: Job) => job.tasks.filter(({ status, kind }) => status === "failed" && kind === "clip"));
void ((job: Job) => job.outputs.filter(({ type }) => type === "film"));
void ((job: Job) => job.timeline.find(({ name }) => name === "queued")?.at);
void ((event: Schemas["JobEvent"]): number => event.progress.percent);
void ((done: Schemas["CancelResponse"]) => done.outcome === "already_final");
void ((body: Schemas["BulkResponse"]) =>
  body.results.map((each): string => (each.ok ? each.status : each.error)));
void ((all: Schemas["RecipesResponse"]): string => all.stages.spark.ko + all.sliders.pace.en);
void ((all: Schemas["RecipesResponse"], code: Schemas["Style"]) => all.styles[code].en);
