/** The types of a route's query, path, body and response, as the tests of types name them. */

import type { paths } from "../../src/schema.js";

export type Query<P extends keyof paths> = paths[P] extends {
  get: { parameters: { query?: infer Q } };
}
  ? NonNullable<Q>
  : never;
export type Path<P extends keyof paths, M extends keyof paths[P]> = paths[P][M] extends {
  parameters: { path: infer Q };
}
  ? Q
  : never;
export type Sent<P extends keyof paths, M extends keyof paths[P]> = paths[P][M] extends {
  requestBody?: { content: { "application/json": infer B } };
}
  ? B
  : never;
export type Got<P extends keyof paths, M extends keyof paths[P], S extends number> = paths[P][M] extends {
  responses: Record<S, { content: { "application/json": infer B } }>;
}
  ? B
  : never;
