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
