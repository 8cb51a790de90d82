/** Specs read the libraries' sources through the export condition `@godwit/source`, so that no build is needed for them. */
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@godwit/source', 'node', 'import', 'default'] },
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/tools', '<rootDir>/examples'],
  testMatch: ['**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['<rootDir>/.godwit/', '/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', {
      jsc: { parser: { syntax: 'typescript', decorators: true }, target: 'es2023', transform: { legacyDecorator: true, decoratorMetadata: true } },
      module: { type: 'es6' },
    }],
  },
  testTimeout: 30_000,
  maxWorkers: 2,
};
