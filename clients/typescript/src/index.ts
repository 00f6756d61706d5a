/** `@darkroom/client`: a typed client of the Darkroom API. */

export { Action } from "./action.js";
export type { ActionOptions, ActionStorage } from "./action.js";
export { createDarkroom } from "./client.js";
export type { Changed, Darkroom, DarkroomOptions, TokenProvider, Unfinished } from "./client.js";
export {
  Conflict,
  CreditsDebt,
  CreditsInsufficient,
  DarkroomError,
  Forbidden,
  hasCode,
  Invalid,
  NotFound,
  Offline,
  PlanLimit,
  PreconditionFailed,
  RateLimited,
  Unauthorized,
  Unavailable,
} from "./errors.js";
export type { ClientCode, ErrorCode, FactsOf, FieldProblem, PackSuggestion } from "./errors.js";
export type { Pages } from "./pages.js";
export type { Platform } from "./platform.js";
export type { RetryPolicy } from "./retry.js";
export type { components, operations, paths } from "./schema.js";
export type {
  Answer,
  CallOptions,
  DataOf,
  ItemOf,
  ListPath,
  Operation,
  PageOf,
  Schemas,
} from "./types.js";
export type { UploadBatch, UploadOptions } from "./uploads/batch.js";
export type { UploadItem, UploadStatus } from "./uploads/entry.js";
export type { NamedBlob, UploadSource } from "./uploads/files.js";
export { indexedDbStore, memoryStore } from "./uploads/store.js";
export type { UploadRecord, UploadStore } from "./uploads/store.js";
export { isFinal } from "./watch.js";
export type {
  JobEvent,
  JobProgress,
  JobStatus,
  StopWatching,
  WatchOptions,
  WatchState,
} from "./watch.js";
