/** The OpenAPI description: from the same zod schemas that refuse bad input, and the table of error codes. */
import { CODES } from '@godwit/kernel';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { VERSION } from '@godwit/shell';
import { z } from 'zod';

type JsonSchema = Record<string, unknown>;
const ONE_OF = 'must be one of ';

/** What the border's own building blocks (ids, hashes, closed sets) refuse tells what they take. */
function describeCustom(schema: z.ZodType, into: JsonSchema): void {
  const message = schema.safeParse(Symbol('none')).error?.issues[0]?.message ?? '';
  if (message.startsWith(ONE_OF)) Object.assign(into, { type: 'string', enum: message.slice(ONE_OF.length).split(', ') });
  else if (message.includes('hexadecimal')) Object.assign(into, { type: 'string', pattern: '^[0-9a-f]{64}$' });
  else if (message.includes('a-z, 0-9 and -')) Object.assign(into, { type: 'string', pattern: '^[a-z0-9-]{1,64}$' });
  else if (message.includes('base64')) Object.assign(into, { type: 'string', format: 'byte' });
}

/** JSON Schema of what a zod schema takes in. A field with a default is described by what stands behind the default. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, {
    io: 'input', unrepresentable: 'any', target: 'openapi-3.0', reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      const def = zodSchema._zod.def as unknown as { type: string; in?: z.ZodType; out?: z.ZodType };
      if (def.type === 'custom') describeCustom(zodSchema as unknown as z.ZodType, jsonSchema as JsonSchema);
      const takesAnything = def.type === 'pipe' && ['unknown', 'optional'].includes((def.in!._zod.def as { type: string }).type);
      if (takesAnything) Object.assign(jsonSchema, jsonSchemaOf(def.out!));
    },
  }) as JsonSchema;
  return described;
}

const problemSchema = {
  type: 'object', required: ['type', 'title', 'status', 'detail', 'code', 'remedy'],
  properties: {
    type: { type: 'string' }, title: { type: 'string' }, status: { type: 'integer' }, detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(CODES) }, field: { type: 'string' }, remedy: { type: 'string' }, effect: { type: 'string', enum: ['unknown', 'done'] },
  },
};

const METHODS = ['get', 'post', 'delete'] as const;

/** Serves `/openapi.json` and `/docs`. */
export function describeApi(app: NestFastifyApplication, tokensAsked: boolean): void {
  const builder = new DocumentBuilder().setTitle('Godwit').setVersion(VERSION)
    .setDescription('Registration, inputs and outputs of threads, migrations and why they happen. Errors are RFC 9457 problem details with a stable `code`.');
  if (tokensAsked) builder.addBearerAuth().addSecurityRequirements('bearer');
  const document: OpenAPIObject = SwaggerModule.createDocument(app, builder.build(), {
    standardSchemaConverter: (schema) => ({ schema: jsonSchemaOf(schema as z.ZodType) as never }),
  });
  document.components = { ...document.components, schemas: { ...document.components?.schemas, Problem: problemSchema as never } };
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation) operation.responses['default'] = { description: 'refused or failed', content };
    }
  }
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', customSiteTitle: 'Godwit API' });
}
