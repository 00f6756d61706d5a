/** The types of calls, made from the API's document. */

import type { RequestBodyOption } from "openapi-fetch";
import type { Action } from "./action.js";
import type { components, paths } from "./schema.js";

export type Schemas = components["schemas"];
export type Method = "get" | "post" | "patch" | "delete";
type Success = 200 | 201 | 202 | 204;

export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, object> ? P : never;
}[keyof paths];

export type Operation<P extends keyof paths, M extends Method> =
  paths[P] extends Record<M, infer O> ? O : never;

type ContentOf<R> = R extends { content: infer C } ? C[keyof C] : undefined;

/** The body of a success. */
export type DataOf<O> = O extends { responses: infer R }
  ? { [S in keyof R & Success]: ContentOf<R[S]> }[keyof R & Success]
  : never;

type RequiredKeysOf<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? never : K }[keyof T];

export interface Answer<Data> {
  readonly data: Data;
  readonly response: Response;
  /** The API found that it had done this already, and sent its first response again. */
  readonly replayed: boolean;
}

/** Set by the client itself: by `action`, by `ifChanged` and by `locale`. */
type OwnHeaders = "Idempotency-Key" | "If-None-Match" | "Accept-Language" | "Authorization";

type HeadersOf<O> = O extends { parameters: { header?: infer H } }
  ? Partial<Omit<NonNullable<H>, OwnHeaders>>
  : never;

type HeaderOption<O> = [keyof HeadersOf<O>] extends [never] ? unknown : { header?: HeadersOf<O> };

type ParametersOf<O> = O extends { parameters: infer P }
  ? { [K in keyof P as K extends "header" | "cookie" ? never : K]: P[K] } & HeaderOption<O>
  : never;

type ParamsOption<O> =
  RequiredKeysOf<ParametersOf<O>> extends never
    ? { params?: ParametersOf<O> }
    : { params: ParametersOf<O> };

/** Calls that can charge: the API answers 402 when credits are missing, or demands a key. */
type Costly =
  { responses: { 402: unknown } } | { parameters: { header: { "Idempotency-Key": string } } };

type ActionOption<O> = O extends Costly
  ? {
      /** This call can charge, so it needs an action: `dr.action()`, one per press of a button. */
      readonly action: Action;
    }
  : {
      /** Makes the call safe to repeat: `dr.action()`, one per press of a button. */
      readonly action?: Action;
    };

export interface CallOptions {
  readonly signal?: AbortSignal | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A body may be a constant: `as const` makes its lists readonly. */
type ReadonlyDeep<T> = T extends readonly (infer E)[]
  ? readonly ReadonlyDeep<E>[]
  : T extends object
    ? { readonly [K in keyof T]: ReadonlyDeep<T[K]> }
    : T;

export type InitOf<O> = ParamsOption<O> & ReadonlyDeep<RequestBodyOption<O>> & CallOptions;

/** The options of a call; they may be left out if nothing in them is required. */
export type Args<Init> = RequiredKeysOf<Init> extends never ? [init?: Init] : [init: Init];

export type ReadCall = <P extends PathOf<"get">>(
  path: P,
  ...init: Args<InitOf<Operation<P, "get">>>
) => Promise<Answer<DataOf<Operation<P, "get">>>>;

export type WriteCall<M extends Method> = <P extends PathOf<M>>(
  path: P,
  ...init: Args<InitOf<Operation<P, M>> & ActionOption<Operation<P, M>>>
) => Promise<Answer<DataOf<Operation<P, M>>>>;

/** The paths that answer with pages. */
export type ListPath = {
  [P in PathOf<"get">]: DataOf<Operation<P, "get">> extends {
    items: unknown[];
    nextCursor: string | null;
  }
    ? P
    : never;
}[PathOf<"get">];

export type ItemOf<P extends ListPath> =
  DataOf<Operation<P, "get">> extends { items: (infer Item)[] } ? Item : never;

export type PageOf<P extends ListPath> = DataOf<Operation<P, "get">>;

type QueryOf<O> = O extends { parameters: { query?: infer Q } }
  ? [NonNullable<Q>] extends [never]
    ? Record<never, never>
    : Omit<NonNullable<Q>, "cursor">
  : Record<never, never>;

export interface PagesOptions<P extends ListPath> {
  /** The filters of the list; `limit` is the size of a page. */
  readonly query?: QueryOf<Operation<P, "get">>;
  /** Go on behind this page. */
  readonly cursor?: string | null;
  readonly signal?: AbortSignal | null;
}
