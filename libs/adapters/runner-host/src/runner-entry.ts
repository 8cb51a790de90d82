import { fileURLToPath } from 'node:url';

/** The built runner: beside this library in the workspace and in the image alike. */
export const defaultRunnerEntry = (): string => fileURLToPath(new URL('../../../../apps/runner/dist/main.js', import.meta.url));
