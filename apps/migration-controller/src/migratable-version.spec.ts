import { MIGRATABLE_VERSION as instrumented } from '@godwit/wasm';
import { MIGRATABLE_VERSION as named } from '@godwit/wire';

it('an instrumented module is kept under the version of the instrumentation that made it', () => {
  expect(named).toBe(instrumented);
});
