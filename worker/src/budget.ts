/**
 * Bytes that may be pending in one isolate, across all of its objects: requests that are queued or being answered, frames
 * that are held back, and answers that models are writing. An isolate has 128 MB, and handling a byte takes several bytes
 * of memory.
 */
export const MAX_ISOLATE_BYTES = 16 * 1024 * 1024;
/** The part of them that one seat, or one answer, may use, so that a flood does not affect others. */
export const MAX_SEAT_BYTES = 4 * 1024 * 1024;

/** Weak references, because an object that is destroyed does not return its bytes. */
const shares = new Set<WeakRef<Share>>();
let total = 0;

/** What one seat or one answer uses of the isolate's budget. */
export class Share {
  #used = 0;

  constructor() {
    shares.add(new WeakRef(this));
  }

  get used(): number {
    return this.#used;
  }

  /** Reserves the bytes; false if they exceed the budget. */
  take(bytes: number): boolean {
    if (this.#used + bytes > MAX_SEAT_BYTES) return false;
    if (total + bytes > MAX_ISOLATE_BYTES) total = recount();
    if (total + bytes > MAX_ISOLATE_BYTES) return false;
    this.#used += bytes;
    total += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    total -= bytes;
  }

  giveAll(): void {
    this.give(this.#used);
  }
}

function recount(): number {
  let sum = 0;
  for (const reference of shares) {
    const share = reference.deref();
    if (share === undefined) shares.delete(reference);
    else sum += share.used;
  }
  return sum;
}
