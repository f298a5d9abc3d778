const LF = 0x0a;
const CR = 0x0d;

/** The first bytes of a body, at most `limit` of them; the rest is not read. */
export async function firstBytes(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(limit);
  let size = 0;
  for await (const chunk of body ?? []) {
    const part = chunk.subarray(0, limit - size);
    bytes.set(part, size);
    size += part.length;
    if (size === limit) break;
  }
  return bytes.subarray(0, size);
}

/**
 * The same body of server-sent events. `gathered` is called with the size in bytes of the event that is not complete yet,
 * since its reader keeps it until then; what it throws ends the body.
 */
export function watchedEvents(
  body: ReadableStream<Uint8Array>,
  gathered: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  let size = 0;
  let isLineEmpty = true;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        for (const byte of chunk) {
          size = byte === LF && isLineEmpty ? 0 : size + 1;
          isLineEmpty = byte === LF || (isLineEmpty && byte === CR);
        }
        gathered(size);
        controller.enqueue(chunk);
      },
    }),
  );
}
