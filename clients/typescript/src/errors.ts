/**
 * Error responses as classes.
 *
 *     DarkroomError
 *     ├── Invalid              400, 405, 413, 415, 422
 *     ├── Unauthorized         401
 *     ├── CreditsInsufficient  402 CREDITS_INSUFFICIENT
 *     ├── CreditsDebt          402 CREDITS_DEBT
 *     ├── Forbidden            403
 *     │   └── PlanLimit        403 PLAN_LIMIT
 *     ├── NotFound             404
 *     ├── Conflict             409
 *     ├── PreconditionFailed   412
 *     ├── RateLimited          429
 *     ├── Unavailable          5xx
 *     └── Offline              no response at all
 */

import type { Schemas } from "./types.js";

/** The bodies of errors, one for each code. */
type ErrorBody = {
  [Name in keyof Schemas]: Schemas[Name] extends { error: string; code: infer Code }
    ? string extends Code
      ? never
      : Schemas[Name]
    : never;
}[keyof Schemas];

export type ErrorCode = ErrorBody["code"];
export type FieldProblem = Schemas["FieldProblem"];
export type PackSuggestion = Schemas["Suggestion"];

/** What the body of an error with this code says besides its sentence. */
export type FactsOf<Code> = Omit<
  Extract<ErrorBody, { code: Code }>,
  "error" | "code" | "requestId" | "fields"
>;

/** The codes that only this client gives: no response, or none that a Darkroom API sends. */
export type ClientCode = "OFFLINE" | "TIMEOUT" | "BAD_RESPONSE";

interface Parts {
  readonly status: number;
  readonly code: ErrorCode | ClientCode;
  readonly message: string;
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly fields?: readonly FieldProblem[];
  readonly facts?: object;
  readonly cause?: unknown;
}

export class DarkroomError extends Error {
  override readonly name: string = "DarkroomError";
  /** The HTTP status, 0 without a response. */
  readonly status: number;
  /** Never changes its meaning; `message` is a sentence for users and may change. */
  readonly code: ErrorCode | ClientCode;
  readonly requestId: string | undefined;
  /** Repeat no sooner than this. */
  readonly retryAfterMs?: number;
  readonly fields: readonly FieldProblem[];
  /** What the body says besides; `hasCode` gives it its type. */
  readonly facts: object;

  constructor(parts: Parts) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.status = parts.status;
    this.code = parts.code;
    this.requestId = parts.requestId;
    if (parts.retryAfterMs !== undefined) this.retryAfterMs = parts.retryAfterMs;
    this.fields = parts.fields ?? [];
    this.facts = parts.facts ?? {};
  }
}

export class Invalid extends DarkroomError {
  override readonly name = "Invalid";
}

export class Unauthorized extends DarkroomError {
  override readonly name = "Unauthorized";
}

/** The balance does not cover the price. Nothing has changed. */
export class CreditsInsufficient extends DarkroomError {
  override readonly name: string = "CreditsInsufficient";
  readonly needed = factOf(this, "needed", 0);
  readonly balance = factOf(this, "balance", 0);
  readonly shortfall = factOf(this, "shortfall", 0);
  /** Packs that cover the shortfall, smallest first. */
  readonly suggestions = factOf(this, "suggestions", [] as readonly PackSuggestion[]);
}

/** The account owes credits of a reversed payment, which the next purchase pays first. */
export class CreditsDebt extends DarkroomError {
  override readonly name = "CreditsDebt";
  readonly needed = factOf(this, "needed", 0);
  readonly balance = factOf(this, "balance", 0);
  readonly shortfall = factOf(this, "shortfall", 0);
  readonly suggestions = factOf(this, "suggestions", [] as readonly PackSuggestion[]);
}

export class Forbidden extends DarkroomError {
  override readonly name: string = "Forbidden";
}

export class PlanLimit extends Forbidden {
  /** The limit, such as `concurrentUploads`: not the name of this class, as in other errors. */
  override readonly name: string = factOf(this, "name", "");
  readonly limit = factOf(this, "limit", 0);
  readonly used = factOf(this, "used", 0);
  readonly plan = factOf(this, "plan", "");
  /** The smallest plan that is large enough; null if there is none. */
  readonly upgradeTo = factOf<string | null>(this, "upgradeTo", null);
}

export class NotFound extends DarkroomError {
  override readonly name = "NotFound";
}

export class Conflict extends DarkroomError {
  override readonly name = "Conflict";
}

export class PreconditionFailed extends DarkroomError {
  override readonly name = "PreconditionFailed";
}

export class RateLimited extends DarkroomError {
  override readonly name = "RateLimited";
}

/** Darkroom, or something that it needs, failed or did not respond. */
export class Unavailable extends DarkroomError {
  override readonly name = "Unavailable";
}

/** No response: there is no network, or the server was not reached in time. */
export class Offline extends DarkroomError {
  override readonly name = "Offline";
}

/** Whether this is the error of that code. Its facts then have their types. */
export function hasCode<C extends ErrorCode | ClientCode>(
  error: unknown,
  code: C,
): error is DarkroomError & {
  readonly code: C;
  readonly facts: FactsOf<C>;
} {
  return error instanceof DarkroomError && error.code === code;
}

const BY_STATUS: Readonly<Record<number, typeof DarkroomError>> = {
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  412: PreconditionFailed,
  429: RateLimited,
};
const BY_CODE: Readonly<Record<string, typeof DarkroomError>> = {
  CREDITS_INSUFFICIENT: CreditsInsufficient,
  CREDITS_DEBT: CreditsDebt,
  PLAN_LIMIT: PlanLimit,
};
/** The codes of responses that the gateway gives itself: their body has only a `message`. */
const GATEWAY_CODES: Readonly<Record<number, ErrorCode>> = {
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  413: "BODY_TOO_LARGE",
  429: "RATE_LIMITED",
  500: "INTERNAL",
};

/** The error of a response that is neither a success nor 304. */
export function errorOf(response: Response, body: unknown, now: number): DarkroomError {
  const { status, headers } = response;
  const known = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const { error, code, message, requestId, fields, ...facts } = known;
  const fallback = GATEWAY_CODES[status] ?? (status >= 500 ? "UNAVAILABLE" : "BAD_RESPONSE");
  const parts: Parts = {
    status,
    code: (typeof code === "string" ? code : fallback) as ErrorCode | ClientCode,
    message: String(error ?? message ?? `HTTP ${status}`),
    requestId:
      typeof requestId === "string" ? requestId : (headers.get("apigw-requestid") ?? undefined),
    retryAfterMs: retryAfterMs(headers.get("Retry-After"), now),
    fields: Array.isArray(fields) ? (fields as FieldProblem[]) : [],
    facts,
  };
  const kind = BY_CODE[parts.code] ?? BY_STATUS[status] ?? (status >= 500 ? Unavailable : Invalid);
  return new kind(parts);
}

export function offline(code: "OFFLINE" | "TIMEOUT", cause?: unknown): Offline {
  const message = code === "OFFLINE" ? "There is no connection." : "The server did not respond.";
  return new Offline({ status: 0, code, message, cause });
}

/** A success whose body is not what an API sends, for example the page of a hotel's network. */
export function badResponse(status: number, cause: unknown): Unavailable {
  const message = "The response could not be read.";
  return new Unavailable({ status, code: "BAD_RESPONSE", message, cause });
}

/** `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3). */
export function retryAfterMs(value: string | null, now: number): number | undefined {
  if (value === null || value.trim() === "") return undefined;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function factOf<T>({ facts }: DarkroomError, name: string, missing: T): T {
  return (facts as Readonly<Record<string, T | null>>)[name] ?? missing;
}
