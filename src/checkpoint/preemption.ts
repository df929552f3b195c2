/**
 * The process-wide fact that SIGTERM has come. It is listened for from the first question on, and not before: a
 * listener takes away the signal's default, which is to end the process.
 */
class Preemption {
  #isReached = false;
  #isWatching = false;

  isReached(): boolean {
    if (!this.#isWatching) {
      this.#isWatching = true;
      process.on("SIGTERM", () => {
        this.#isReached = true;
      });
    }
    return this.#isReached;
  }
}

export const preemption: Preemption = new Preemption();
