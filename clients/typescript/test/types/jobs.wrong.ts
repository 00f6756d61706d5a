/** What must not compile: one mistake under each `@ts-expect-error`. */

import {
  createDarkroom,
  CreditsInsufficient,
  DarkroomError,
  hasCode,
  PlanLimit,
} from "@darkroom/client";

const dr = createDarkroom({ baseUrl: "https://api.example" });
const action = dr.action();
const job = { path: { jobId: "job_1" } };
const story = {
  mode: "story",
  stage: "spark",
  genre: "romance",
  photoAssetIds: ["ast_1"],
} as const;

// @ts-expect-error: without an address
void createDarkroom({});
// @ts-expect-error: a token that is not a function
void createDarkroom({ baseUrl: "", token: "token" });
// @ts-expect-error: a provider of numbers
void createDarkroom({ baseUrl: "", token: async () => 5 });
// @ts-expect-error: an unknown option
void createDarkroom({ baseUrl: "", tokens: async () => "t" });
// @ts-expect-error: an unknown rule of retries
void createDarkroom({ baseUrl: "", retries: { tries: 5 } });

// @ts-expect-error: no such path
void dr.GET("/api/job");
// @ts-expect-error: a path without this method
void dr.DELETE("/api/jobs");
// @ts-expect-error: an address instead of a path
void dr.GET("/api/jobs/job_1");
// @ts-expect-error: without the parameters of the path
void dr.GET("/api/jobs/{jobId}");
// @ts-expect-error: another parameter of the path
void dr.GET("/api/jobs/{jobId}", { params: { path: { id: "job_1" } } });
// @ts-expect-error: a parameter of another type
void dr.GET("/api/jobs/{jobId}", { params: { path: { jobId: 5 } } });
// @ts-expect-error: an unknown filter
void dr.GET("/api/jobs", { params: { query: { state: "failed" } } });
// @ts-expect-error: a number as text
void dr.GET("/api/jobs", { params: { query: { limit: "20" } } });
// @ts-expect-error: an unknown option
void dr.GET("/api/jobs", { query: { limit: 20 } });
// @ts-expect-error: a read has no action
void dr.GET("/api/jobs", { action });
// @ts-expect-error: a read has no body
void dr.GET("/api/jobs/{jobId}", { params: job, body: {} });

// @ts-expect-error: without a body
void dr.POST("/api/jobs/confirm", { action });
// @ts-expect-error: what charges needs an action
void dr.POST("/api/jobs/confirm", { body: story });
// @ts-expect-error: a key is not an action
void dr.POST("/api/jobs/confirm", { body: story, action: "key" });
// @ts-expect-error: the key is the action's
void dr.POST("/api/jobs/confirm", { body: story, action, params: { header: { "Idempotency-Key": "k" } } });
// @ts-expect-error: an unknown field
void dr.POST("/api/jobs/confirm", { body: { ...story, photos: [] }, action });
// @ts-expect-error: one photo instead of a list
void dr.POST("/api/jobs/confirm", { body: { ...story, photoAssetIds: "ast_1" }, action });
// @ts-expect-error: a quote is a text
void dr.POST("/api/jobs/confirm", { body: { ...story, quoteId: 5 }, action });
// @ts-expect-error: a switch is no text
void dr.POST("/api/jobs/confirm", { body: { ...story, rewriteEnabled: "yes" }, action });
// @ts-expect-error: a regeneration charges
void dr.POST("/api/jobs/{jobId}/regenerate", { params: job, body: { target: "film" } });
// @ts-expect-error: a regeneration without its target
void dr.POST("/api/jobs/{jobId}/regenerate", { params: job, body: {}, action });
// @ts-expect-error: a retry charges
void dr.POST("/api/jobs/{jobId}/retry", { params: job });
// @ts-expect-error: a misspelled genre
void dr.POST("/api/jobs/confirm", { body: { ...story, genre: "romanse" }, action });
// @ts-expect-error: an unknown mode
void dr.POST("/api/jobs/confirm", { body: { ...story, mode: "storey" }, action });
// @ts-expect-error: a slider that does not exist
void dr.POST("/api/jobs/confirm", { body: { ...story, sliders: { speed: 50 } }, action });
// @ts-expect-error: an ending that does not exist
void dr.POST("/api/jobs/confirm", { body: { ...story, rewriteEnabled: true, rewrite: { rawText: "a", distanceMode: "close", desiredEnding: "merry" } }, action });
// @ts-expect-error: an unknown recipe
void dr.POST("/api/jobs/quote", { body: { recipe: "movie", inputs: {} } });
// @ts-expect-error: the inputs of another recipe
void dr.POST("/api/jobs/quote", { body: { recipe: "captions", inputs: { photoAssetIds: ["ast_1"], stage: "spark", genre: "noir" } } });
// @ts-expect-error: portraits without photos
void dr.POST("/api/jobs/quote", { body: { recipe: "portraits", inputs: { mode: "single", styles: ["CLASSIC"], totalImages: 1 } } });
// @ts-expect-error: a format that captions do not have
void dr.POST("/api/jobs/quote", { body: { recipe: "captions", inputs: { assetIds: ["a"], options: { sourceLang: "en", translate: false, outputFormats: ["doc"] } } } });
// @ts-expect-error: a language that captions do not have
void dr.POST("/api/jobs/quote", { body: { recipe: "captions", inputs: { assetIds: ["a"], options: { sourceLang: "xx", translate: false, outputFormats: ["srt"] } } } });
// @ts-expect-error: a new job is a draft or queued
void dr.POST("/api/jobs", { body: { recipe: "quick", status: "running", inputs: { photoAssetIds: ["a"], stage: "spark", genre: "noir" } }, action });
// @ts-expect-error: an unknown target
void dr.POST("/api/jobs/{jobId}/regenerate", { params: job, body: { target: "story_film" }, action });
// @ts-expect-error: an unknown status as filter
void dr.GET("/api/jobs", { params: { query: { status: "done" } } });
// @ts-expect-error: an unknown order
void dr.GET("/api/jobs", { params: { query: { sort: "random" } } });
// @ts-expect-error: an unknown status of a job
void dr.GET("/api/jobs/{jobId}", { params: job }).then(({ data }) => data.status === "done");
// @ts-expect-error: an unknown type of an output
void dr.GET("/api/jobs/{jobId}", { params: job }).then(({ data }) => data.outputs.filter(({ type }) => type === "movie"));
// @ts-expect-error: a time that may be missing
void dr.GET("/api/jobs/{jobId}", { params: job }).then(({ data }): string => data.finishedAt);
// @ts-expect-error: jobs that are no list
void dr.POST("/api/jobs/bulk/run", { body: { jobIds: "job_1" }, action });
// @ts-expect-error: days are a number
void dr.POST("/api/jobs/{jobId}/share", { params: job, body: { expiresInDays: "7" } });
// @ts-expect-error: an unknown field of a job
void dr.GET("/api/jobs/{jobId}", { params: job }).then(({ data }) => data.state);
// @ts-expect-error: the answer is the job itself
void dr.GET("/api/jobs/{jobId}", { params: job }).then(({ data }) => data.job);
// @ts-expect-error: calls throw, they return no error
void dr.GET("/api/jobs").then(({ error }) => error);
// @ts-expect-error: a 202 has no link yet
void dr.GET("/api/jobs/{jobId}/download", { params: job }).then(({ data }) => data.downloadUrl);
// @ts-expect-error: nothing comes back from a deletion
void dr.DELETE("/api/jobs/{jobId}", { params: job }).then(({ data }) => data.jobId);
// @ts-expect-error: what is unchanged has no data
void dr.ifChanged("/api/jobs/{jobId}", { params: job, etag: "" }).then((read) => read.data);
// @ts-expect-error: a conditional read needs a version
void dr.ifChanged("/api/jobs/{jobId}", { params: job });

// @ts-expect-error: a path that is no list
void dr.pages("/api/credits");
// @ts-expect-error: the cursor is not a filter
void dr.pages("/api/jobs", { query: { cursor: "c" } });
// @ts-expect-error: an unknown filter
void dr.pages("/api/jobs", { query: { state: "failed" } });
// @ts-expect-error: storage without its functions
void dr.action({ storage: {} });
// @ts-expect-error: nowhere to look
void dr.unfinished({ name: "confirm" });
// @ts-expect-error: nobody listens
void dr.jobs.watch({});
// @ts-expect-error: an unknown state
void dr.jobs.watch({ onJob: () => undefined, onState: (state) => state === "open" });
// @ts-expect-error: an unknown field of an event
void dr.jobs.watch({ onJob: (event) => event.outputs });
// @ts-expect-error: a job is named by its id
void dr.jobs.wait(5);
// @ts-expect-error: bytes without a name
void dr.uploads.start([new Blob()]);
// @ts-expect-error: nothing to restore from
void dr.uploads.restore({});
// @ts-expect-error: an unknown state of an upload
void dr.uploads.start([]).items.filter(({ status }) => status === "done");

// @ts-expect-error: an unknown code
void hasCode(new Error(), "NO_CREDITS");
// @ts-expect-error: a fact of another code
void ((error: unknown) => hasCode(error, "CONTENT_REJECTED") && error.facts.faces);
// @ts-expect-error: an error that may be any code
void ((error: DarkroomError) => error.code === "NO_CREDITS");
// @ts-expect-error: a fact of another error
void ((error: CreditsInsufficient) => error.upgradeTo);
// @ts-expect-error: a limit is a number
void ((error: PlanLimit): string => error.limit);
