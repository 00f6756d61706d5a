/** Lists as async iterators. */

import type { ItemOf, ListPath, PageOf, PagesOptions, ReadCall } from "./types.js";

export interface Pages<P extends ListPath> extends AsyncIterable<ItemOf<P>> {
  /** Page by page, for lists that load more on demand: a page has the cursor of the next one. */
  byPage(): AsyncIterableIterator<PageOf<P>>;
}

interface Page {
  readonly items: unknown[];
  readonly nextCursor: string | null;
}

/** Follows `nextCursor` to the end. A page may be empty and still have a next one. */
export function listPages<P extends ListPath>(
  get: ReadCall,
  path: P,
  { query, cursor = null, signal = null }: PagesOptions<P> = {},
): Pages<P> {
  const read = get as unknown as (path: string, init: object) => Promise<{ data: Page }>;

  async function* byPage(): AsyncGenerator<Page> {
    let at = cursor;
    do {
      const params = { query: { ...query, ...(at === null ? {} : { cursor: at }) } };
      const { data } = await read(path, { params, signal });
      yield data;
      if (data.nextCursor !== null && data.nextCursor === at) {
        throw new Error(`${path} returned the cursor that it was given`);
      }
      at = data.nextCursor;
    } while (at !== null);
  }

  async function* items(): AsyncGenerator<unknown> {
    for await (const page of byPage()) yield* page.items;
  }

  return {
    byPage: byPage as unknown as () => AsyncIterableIterator<PageOf<P>>,
    [Symbol.asyncIterator]: items as unknown as () => AsyncIterator<ItemOf<P>>,
  };
}
