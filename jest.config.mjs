/** Specs read the libraries' sources through the export condition `@godwit/source`, so that no build is needed for them. */
export const shared = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@godwit/source', 'node', 'import', 'default'] },
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/tools', '<rootDir>/examples'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['<rootDir>/.godwit/', '/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', {
      sourceMaps: 'inline',
      jsc: { parser: { syntax: 'typescript', decorators: true }, target: 'es2023', transform: { legacyDecorator: true, decoratorMetadata: true } },
      module: { type: 'es6' },
    }],
  },
};

/** Specs that start real servers or processes, apart from those that only compute: `jest --selectProjects unit`. */
const REAL = ['**/*.int.spec.ts', '**/*.chaos.spec.ts'];

export default {
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['**/*.spec.ts', ...REAL.map((glob) => `!${glob}`)] },
    { ...shared, displayName: 'int', testMatch: REAL },
  ],
  testTimeout: 30_000,
  maxWorkers: 2,
  testSequencer: '<rootDir>/tools/jest/example-last.mjs',
};
