/** What must not compile: one mistake about inputs or words under each `@ts-expect-error`. */

import type { Schemas } from "@darkroom/client";

type Job = Schemas["JobResponse"];
type Create = Schemas["CreateJobsRequest"];
type Quote = Schemas["QuoteRequest"];
type Confirm = Schemas["ConfirmRequest"];
type Patch = Schemas["PatchJobRequest"];
type Retry = Schemas["RetryRequest"];

const film = { photoAssetIds: ["ast_1"], stage: "spark" as const, genre: "noir" as const };
const rewrite = { rawText: "x", distanceMode: "far" as const, desiredEnding: "open" as const };
const create = (body: Create): Create => body;
const captions = (inputs: Schemas["CaptionsInputs"]): unknown => inputs;
const portraits = { mode: "batch" as const, referencePhotoIds: ["ref_1"], totalImages: 1 };

// @ts-expect-error: without a recipe
void create({ status: "draft", inputs: film });
// @ts-expect-error: an unknown recipe
void create({ recipe: "saga", status: "draft", inputs: film });
// @ts-expect-error: without inputs
void create({ recipe: "story", status: "draft" });
// @ts-expect-error: an unknown state
void create({ recipe: "story", status: "running", inputs: film });
// @ts-expect-error: inputs of another recipe
void create({ recipe: "portraits", status: "draft", inputs: film });
// @ts-expect-error: an unknown field
void create({ recipe: "story", status: "draft", inputs: { ...film, photos: [] } });
// @ts-expect-error: an unknown genre
void create({ recipe: "story", status: "draft", inputs: { ...film, genre: "horror" } });
// @ts-expect-error: an unknown slider
void create({ recipe: "story", status: "draft", inputs: { ...film, sliders: { mood: 5 } } });
// @ts-expect-error: a slider is a number
void create({ recipe: "story", status: "draft", inputs: { ...film, sliders: { pace: "5" } } });
// @ts-expect-error: an ending that is no object
void create({ recipe: "story", status: "draft", inputs: { ...film, rewrite: "x" } });
// @ts-expect-error: an ending without its mood
void create({ recipe: "story", status: "draft", inputs: { ...film, rewrite: { rawText: "x" } } });
// @ts-expect-error: the recipe has no ending of one's own
void create({ recipe: "quick", status: "draft", inputs: { ...film, rewrite } });
// @ts-expect-error: neither has it the switch
void create({ recipe: "quick", status: "draft", inputs: { ...film, rewriteEnabled: true } });
// @ts-expect-error: without styles
void create({ recipe: "portraits", status: "draft", inputs: portraits });
// @ts-expect-error: an unknown style
void create({ recipe: "portraits", status: "draft", inputs: { ...portraits, styles: ["BAROQUE"] } });
// @ts-expect-error: one style instead of a list
void create({ recipe: "portraits", status: "draft", inputs: { ...portraits, styles: "CLASSIC" } });
// @ts-expect-error: an unknown language
void captions({ assetIds: ["ast_1"], options: { targetLangs: ["klingon"] } });
// @ts-expect-error: it can be detected, not translated into
void captions({ assetIds: ["ast_1"], options: { targetLangs: ["auto"] } });
// @ts-expect-error: an unknown format
void captions({ assetIds: ["ast_1"], options: { outputFormats: ["docx"] } });
// @ts-expect-error: an option among the inputs
void captions({ assetIds: ["ast_1"], diarization: true });
// @ts-expect-error: an unknown aspect ratio
void create({ recipe: "images", status: "draft", inputs: { prompt: "x", count: 1, aspectRatio: "2:1" } });
// @ts-expect-error: a number as text
void create({ recipe: "images", status: "draft", inputs: { prompt: "x", count: "1" } });
// @ts-expect-error: a draft and inputs
void ({ draftJobId: "job_1", recipe: "story", inputs: film } satisfies Quote);
// @ts-expect-error: a recipe without inputs
void ({ recipe: "story" } satisfies Quote);
// @ts-expect-error: nothing to price
void ({} satisfies Quote);
// @ts-expect-error: an unknown stage
void ({ draftJobId: "job_1", stage: "dusk" } satisfies Confirm);
// @ts-expect-error: an unknown mode
void ({ ...film, mode: "saga" } satisfies Confirm);
// @ts-expect-error: inputs stand beside the other fields
void ({ mode: "story", inputs: film } satisfies Confirm);
// @ts-expect-error: null removes no field that must be there
void ({ inputs: { stage: null } } satisfies Patch);
// @ts-expect-error: an unknown field of a patch
void ({ inputs: { mood: "dark" } } satisfies Patch);
// @ts-expect-error: the recipe cannot be changed
void ({ recipe: "story" } satisfies Patch);
// @ts-expect-error: a retry keeps the stage
void ({ options: { stage: "spark" } } satisfies Retry);
// @ts-expect-error: of one recipe only
void ((job: Job) => job.inputs.stage);
// @ts-expect-error: the original text is not kept
void ((job: Job) => job.recipe === "story" && job.inputs.rewrite?.rawText);
// @ts-expect-error: several spellings are stored as one
void ((job: Job) => job.recipe === "captions" && job.inputs.options.targetLang);
// @ts-expect-error: an unknown state
void ((job: Job) => job.status === "done");
// @ts-expect-error: a mode makes films
void ((job: Job) => job.mode === "captions");
// @ts-expect-error: an unknown kind of task
void ((job: Job) => job.tasks.some(({ kind }) => kind === "render"));
// @ts-expect-error: an unknown type
void ((job: Job) => job.outputs.some(({ type }) => type === "video"));
// @ts-expect-error: an unknown code
void ((job: Job) => job.receipt.reason === "NO_LUCK");
// @ts-expect-error: a success has no sentence
void ((each: Schemas["BulkResult"]): string => (each.ok ? each.error : each.code));
// @ts-expect-error: no label for it
void ((all: Schemas["RecipesResponse"]) => all.genres.horror);
