/** Configuration: `GODWIT_*` environment variables, checked by a zod schema. Unknown ones are refused by name. */
import { refuse, type Refusal } from '@godwit/kernel';
import { refusalOf } from '@godwit/wire';
import { z } from 'zod';

export const baseConfig = {
  GODWIT_NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  GODWIT_REDIS_URL: z.string().default('redis://127.0.0.1:6379'),
  /** Where NATS shows `/varz`; without it the durability check needs `GODWIT_UNSAFE_DURABILITY`. */
  GODWIT_NATS_MONITOR_URL: z.string().optional(),
  GODWIT_UNSAFE_DURABILITY: z.stringbool().default(false),
  GODWIT_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  GODWIT_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  GODWIT_ADMIN_HOST: z.string().default('127.0.0.1'),
  /** 0 takes any free port. */
  GODWIT_ADMIN_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  GODWIT_DATA_DIR: z.string().default('.godwit/data'),
} satisfies z.ZodRawShape;

const NOT_OURS = new Set(['GODWIT_URL', 'GODWIT_TOKEN']);

/** @returns the effective configuration, or a Refusal that names the variable. */
export function readConfig<Shape extends z.ZodRawShape>(shape: Shape, env: Readonly<Record<string, string | undefined>>): z.output<z.ZodObject<typeof baseConfig & Shape>> | Refusal {
  const own = Object.fromEntries(Object.entries(env).filter(([name, value]) => name.startsWith('GODWIT_') && !NOT_OURS.has(name) && value !== undefined));
  const parsed = z.strictObject({ ...baseConfig, ...shape }).safeParse(own);
  return parsed.success ? (parsed.data as z.output<z.ZodObject<typeof baseConfig & Shape>>) : refusalOf(parsed.error, 'configuration');
}

/** For `main.ts`: ends the process with one clear line when the configuration is wrong. */
export function configOrExit<Shape extends z.ZodRawShape>(shape: Shape): z.output<z.ZodObject<typeof baseConfig & Shape>> {
  const config = readConfig(shape, process.env);
  if (typeof config === 'object' && config !== null && 'refused' in config) {
    const refusal = config as unknown as Refusal;
    process.stderr.write(`godwit: ${refusal.reason}\n`);
    process.exit(2);
  }
  return config as z.output<z.ZodObject<typeof baseConfig & Shape>>;
}
export const missing = (name: string): Refusal => refuse('invalid-field', `configuration: ${name} is missing`, name);
