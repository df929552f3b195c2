/**
 * Settles as `pending` does, or rejects with `signal.reason` as soon as the signal is aborted.
 *
 * What is behind `pending` goes on unheard: use it only where a late success does no harm.
 */
export async function raceAbort<Result>(pending: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([aborted, pending]);
  } catch (error) {
    // Work that heeds the signal fails because of it, and may be first to say so.
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
