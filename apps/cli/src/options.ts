/** Values of options, refused as commander refuses them: with the option's name, exit code 2. */
import { InvalidArgumentError } from 'commander';

const number = (what: string, fits: (value: number) => boolean) => (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !fits(value)) throw new InvalidArgumentError(`${what} expected.`);
  return value;
};
export const count = number('a whole number of 1 to 1000', (n) => Number.isInteger(n) && n >= 1 && n <= 1_000);
export const whole = number('a whole number, 0 or more', (n) => Number.isSafeInteger(n) && n >= 0);
export const positive = number('a number above 0', (n) => Number.isFinite(n) && n > 0);

export function id(text: string): string {
  if (!/^[a-z0-9-]{1,64}$/.test(text)) throw new InvalidArgumentError('1 to 64 of a-z, 0-9 and - expected.');
  return text;
}
export const ids = (text: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), id(text)];
export function pair(text: string, before: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('NAME=VALUE expected.');
  return { ...before, [name]: value! };
}
