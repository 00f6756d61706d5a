/** Wait for the end of a job. */

import type { Core } from "./client.js";
import { reasonOf, stopIfAborted } from "./platform.js";
import type { Schemas } from "./types.js";
import { isFinal } from "./watch.js";
import type { JobFeed } from "./watch.js";

/**
 * The job once it is `succeeded`, `partial`, `failed` or `canceled`; all are results, not errors.
 *
 * There is no limit of time: end it with `signal`, for example `AbortSignal.timeout(600_000)`.
 */
export async function waitForJob(
  core: Core,
  feed: JobFeed,
  jobId: string,
  signal?: AbortSignal | null,
): Promise<Schemas["JobResponse"]> {
  const read = async () => {
    const { data } = await core.dr.GET("/api/jobs/{jobId}", {
      params: { path: { jobId } },
      signal: signal ?? null,
    });
    return data;
  };
  const job = await read();
  if (isFinal(job)) return job;
  await new Promise<void>((resolve, reject) => {
    stopIfAborted(signal);
    let stop: (() => void) | undefined;
    const end = (settle: () => void) => {
      signal?.removeEventListener("abort", abort);
      // `watch` may call back before it returns.
      queueMicrotask(() => stop?.());
      settle();
    };
    const abort = () => end(() => reject(reasonOf(signal)));
    signal?.addEventListener("abort", abort, { once: true });
    stop = feed.watch({
      jobIds: [jobId],
      onJob: (event) => {
        if (event.jobId === jobId && isFinal(event)) end(resolve);
      },
      onGone: (gone, error) => {
        if (gone === jobId) end(() => reject(error));
      },
      onError: (error) => end(() => reject(error)),
    });
  });
  return read();
}
