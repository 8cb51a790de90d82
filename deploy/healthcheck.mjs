/** The image's health check: exit 0 when this container's service answers that it is ready, else 1 with the reason. */
const TIMEOUT_MS = 2_000;

try {
  const response = await fetch(`http://127.0.0.1:${process.env.GODWIT_ADMIN_PORT}/readyz?verbose`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  console.log(await response.text());
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  console.log(`no answer: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
