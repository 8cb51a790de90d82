import { Controller, Headers, Inject, Post, Body } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Programs } from '@godwit/nats';
import { mediaType, Needs } from '../http/access.js';
import { refused } from '../http/refused.js';
import { PROGRAM_TYPES } from '../http/server.js';

export const PROGRAMS = Symbol('programs');
const WASM_MAGIC = Buffer.from([0, 0x61, 0x73, 0x6d]);
const ELF_MAGIC = Buffer.from('\x7fELF', 'latin1');
const beginsWith = (body: Buffer, magic: Buffer): boolean => body.subarray(0, magic.length).equals(magic);

@ApiTags('programs')
@Controller('v1/programs')
export class ProgramsController {
  constructor(@Inject(PROGRAMS) private readonly programs: Programs) {}

  @Post()
  @Needs('admin', PROGRAM_TYPES)
  @ApiOperation({ summary: 'Store a program, at most 16 MiB; threads name it by its SHA-256' })
  @ApiConsumes(...PROGRAM_TYPES)
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  async store(@Body() body: Buffer | undefined, @Headers('content-type') contentType: string): Promise<{ sha256: string; sizeBytes: number }> {
    if (!body || body.length === 0) refused('malformed-message', 'the body is empty; send the program itself');
    const type = mediaType(contentType);
    if (type === 'application/wasm') {
      if (!beginsWith(body, WASM_MAGIC)) refused('not-wasm', 'the body does not begin as a WebAssembly module does');
    } else if (type === 'application/x-executable') {
      if (!beginsWith(body, ELF_MAGIC) && !beginsWith(body, Buffer.from('#!'))) refused('invalid-program', 'the body is neither an ELF executable nor a script that begins with #!');
    } else if (!isUtf8(body)) refused('invalid-program', 'the body is not UTF-8, so it is no JavaScript');
    return { sha256: await this.programs.put(body), sizeBytes: body.length };
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
