import type { StateCodec } from './thread.js';

/** The static side of a message class as protobufjs (and what is compatible with it) generates it. */
export interface ProtobufType<State> {
  encode(message: State): { finish(): Uint8Array };
  decode(bytes: Uint8Array): State;
}

/**
 * A state that is one Protocol Buffers message. Fields of the type `map` are written in the order in which their keys
 * were set; that is the same at every replay.
 * @throws TypeError when `type` lacks `encode` or `decode`.
 */
export function protobufCodec<State>(type: ProtobufType<State>): StateCodec<State> {
  if (typeof type?.encode !== 'function' || typeof type.decode !== 'function') {
    throw new TypeError('protobufCodec: type must have the functions encode(message) and decode(bytes), as protobufjs generates them');
  }
  return {
    encode: (state) => type.encode(state).finish(),
    decode: (bytes) => type.decode(bytes),
  };
}
