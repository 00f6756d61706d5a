/** What must compile: jobs, recipes, live updates, uploads and the client's own functions. */

import {
  createDarkroom,
  CreditsInsufficient,
  DarkroomError,
  hasCode,
  indexedDbStore,
  isFinal,
  memoryStore,
  PlanLimit,
} from "@darkroom/client";
import type {
  Action,
  ErrorCode,
  JobEvent,
  Schemas,
  UploadItem,
  WatchState,
} from "@darkroom/client";

const dr = createDarkroom({ baseUrl: "https://api.example", token: async () => "token" });
const action: Action = dr.action();
const job = { path: { jobId: "job_1" } };
const inputs = { stage: "spark", genre: "romance", photoAssetIds: ["ast_1"] } as const;
const story = {
  mode: "story",
  stage: "spark",
  genre: "romance",
  photoAssetIds: ["ast_1"],
} as const;

// Clients.
void createDarkroom({ baseUrl: "" });
void createDarkroom({ baseUrl: "", token: () => null, locale: () => "ko" });
void createDarkroom({ baseUrl: "", token: async (rejected?: string) => rejected });
void createDarkroom({ baseUrl: "", retries: { attempts: 1, actionsAwaitRateLimit: false } });
void createDarkroom({ baseUrl: "", platform: { isOnline: () => true } });

// Jobs.
void dr.GET("/api/jobs");
void dr.GET("/api/jobs", { params: { query: { limit: 20, search: "anna" } } });
void dr.GET("/api/jobs/{jobId}", { params: job });
void dr.GET("/api/jobs/{jobId}", { params: job, signal: AbortSignal.timeout(1_000) });
void dr.POST("/api/jobs/quote", { body: { draftJobId: "job_1" } });
void dr.POST("/api/jobs/confirm", { body: story, action });
void dr.POST("/api/jobs/confirm", { body: { draftJobId: "job_1", quoteId: "q" }, action });
void dr.POST("/api/jobs/{jobId}/regenerate", {
  params: job,
  body: { target: "story_clip", clipNo: 2 },
  action,
});
void dr.POST("/api/jobs/{jobId}/cancel", { params: job });
void dr.POST("/api/jobs/{jobId}/cancel", { params: job, action });
void dr.POST("/api/jobs/{jobId}/share", { params: job, body: { expiresInDays: 7 }, action });
void dr.DELETE("/api/jobs/{jobId}", { params: { ...job, query: { cascade: true } } });
void dr.POST("/api/jobs/bulk/run", { body: { jobIds: ["job_1"] }, action });
void dr.GET("/api/recipes");
void dr.GET("/api/templates", { params: { query: { mode: "story" } } });
void dr.POST("/api/jobs/quote", { body: { recipe: "story", inputs: { ...inputs, seed: 5 } } });
void dr.POST("/api/jobs/quote", {
  body: {
    recipe: "portraits",
    inputs: { mode: "single", referencePhotoIds: ["ref_1"], styles: ["CLASSIC"], totalImages: 2 },
  },
});
void dr.POST("/api/jobs", {
  body: {
    recipe: "captions",
    status: "draft",
    inputs: {
      assetIds: ["ast_1"],
      options: {
        sourceLang: "en",
        translate: true,
        targetLangs: ["ko"],
        outputFormats: ["srt", "vtt"],
        diarization: false,
      },
    },
  },
  action,
});
void dr.POST("/api/jobs/confirm", {
  body: {
    ...story,
    sliders: { intensity: 70 },
    rewriteEnabled: true,
    rewrite: { rawText: "They stay.", distanceMode: "close", desiredEnding: "happy" },
  },
  action,
});
void dr.PATCH("/api/jobs/{jobId}", {
  params: { ...job, header: { "If-Match": '"1"' } },
  body: { inputs: { genre: "noir" } },
});
void dr.POST("/api/jobs/{jobId}/retry", { params: job, body: {}, action });

// Answers.
void dr.GET("/api/jobs/{jobId}", { params: job }).then(({ data }): string => data.jobId);
void dr.GET("/api/jobs/{jobId}", { params: job }).then(({ data }): number => data.progress.percent);
void dr.GET("/api/jobs").then(({ data }): string | null => data.nextCursor);
void dr.GET("/api/jobs.csv").then(({ data }): string => data);
void dr.DELETE("/api/jobs/{jobId}", { params: job }).then(({ data }): undefined => data);
void dr
  .POST("/api/jobs/confirm", { body: story, action })
  .then(({ replayed }): boolean => replayed);
void dr
  .GET("/api/jobs/{jobId}/download", { params: job })
  .then(({ data }): string => ("downloadUrl" in data ? data.downloadUrl : data.status));
void dr
  .ifChanged("/api/jobs/{jobId}", { params: job, etag: null })
  .then((read): string => (read.changed ? read.data.jobId : ""));

// Actions.
void dr.action({ key: "stored" }).key.length;
void dr.action({ name: "confirm", storage: sessionStorage });
void dr.unfinished({ name: "confirm", storage: sessionStorage }).then((open) => open?.repeat());

// Pages.
void dr.pages("/api/jobs")[Symbol.asyncIterator]().next();
void dr.pages("/api/jobs", { query: { search: "a", limit: 100 }, cursor: "c" }).byPage();
void dr.pages("/api/assets", { query: { kind: "image" } }).byPage();
void (async (): Promise<string[]> => {
  const ids: string[] = [];
  for await (const { jobId } of dr.pages("/api/jobs")) ids.push(jobId);
  return ids;
});

// Live jobs.
void dr.jobs.wait("job_1").then((done): Schemas["JobResponse"] => done);
void dr.jobs.wait("job_1", { signal: AbortSignal.timeout(600_000) });
void dr.jobs
  .watch({ onJob: ({ jobId, status }: JobEvent) => `${jobId} ${status}` })
  .follow("job_1");
void dr.jobs.watch({ onJob: isFinal, onState: (state: WatchState) => state === "polling" })();
void dr.jobs.watch({ onJob: isFinal, jobIds: ["job_1"], onGone: (id: string) => id });

// Uploads.
void dr.uploads.start([new File([], "a.jpg")]).done.then((items): readonly UploadItem[] => items);
void dr.uploads.start([{ name: "a.jpg", blob: new Blob() }], { store: memoryStore() }).pause();
void dr.uploads
  .restore({ store: indexedDbStore("account") })
  .then((batch) => batch.items[0]?.asset);

// Errors.
const code: ErrorCode = "CREDITS_INSUFFICIENT";
void ((error: unknown): number => (error instanceof CreditsInsufficient ? error.shortfall : 0));
void ((error: unknown): string | null => (error instanceof PlanLimit ? error.upgradeTo : null));
void ((error: unknown): boolean => error instanceof DarkroomError && error.code === code);
void ((error: unknown): number => (hasCode(error, "MULTIPLE_FACES") ? error.facts.faces : 0));
void ((error: DarkroomError): number | undefined => error.retryAfterMs);
