/* Inner loops of floats, short and long, with NaNs made and stored: their bits must be those of every machine. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define N 96
static double a[N][N], b[N][N], c[N][N];
static float series[4096];

static uint64_t bits(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }

static void multiply(void) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double sum = 0;
      for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
}

int main(void) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) { a[i][j] = sin(i * 7 + j); b[i][j] = cos(i - j * 3); }
  for (int round = 0; round < 12; round++) {
    multiply();
    for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) a[i][j] = c[i][j] / N + 0.5 * b[j][i];
    for (int i = 0; i < 4096; i++) series[i] = (float)(a[i % N][i / N % N] * 1e3);
    double mean = 0;
    for (int i = 0; i < 4096; i++) mean += series[i];
    printf("%d %.17g %016llx\n", round, mean / 4096, (unsigned long long)bits(c[round][N - 1 - round]));
    fflush(stdout);
  }
  volatile double zero = 0, infinite = INFINITY;
  double made[4] = { zero / zero, infinite - infinite, sqrt(-1 - zero), infinite * zero };
  for (int i = 0; i < 4; i++) printf("nan %016llx %g\n", (unsigned long long)bits(made[i]), copysign(1, made[i]));
  uint64_t boxed = 0xfff8dead0000beefu;
  double moved;
  memcpy(&moved, &boxed, sizeof moved);
  static double slot[2];
  slot[zero != 0] = moved;
  printf("boxed %016llx\n", (unsigned long long)bits(slot[0]));
  return 0;
}
