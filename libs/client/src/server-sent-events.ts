/** Reading server-sent events (the WHATWG's event stream format), as far as Godwit's gateway writes them. */
export interface ServerSentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Yields events and, for each comment, undefined: a sign of life. @param chunks pieces of the stream, cut anywhere. */
export async function* parseEvents(chunks: AsyncIterable<string>): AsyncGenerator<ServerSentEvent | undefined, void, void> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk).replaceAll('\r\n', '\n');
    const blocks = lines.split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) yield parseBlock(block);
  }
}

function parseBlock(block: string): ServerSentEvent | undefined {
  const fields = { id: '', event: 'message', data: [] as string[] };
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^(\w+):? ?(.*)$/.exec(line) ?? [];
    if (name === 'data') fields.data.push(value);
    else if (name === 'id' || name === 'event') fields[name] = value;
  }
  return fields.data.length === 0 ? undefined : { ...fields, data: fields.data.join('\n') };
}
