/* Small kernels for the bench, chosen by the first argument, turned as often as the second says. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile double sink;

static unsigned fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static volatile unsigned depth = 27; /* or the compiler computes it once */
static void kernel_fib(void) { sink = fib(depth); }

static double ma[128][128], mb[128][128], mc[128][128];
static void kernel_matrix(void) {
  for (int i = 0; i < 128; i++) for (int j = 0; j < 128; j++) {
    double sum = 0;
    for (int k = 0; k < 128; k++) sum += ma[i][k] * mb[k][j];
    mc[i][j] = sum + i - j;
  }
  memcpy(ma, mc, sizeof ma);
  sink = mc[3][5];
}

static unsigned char sieve[1 << 20];
static void kernel_sieve(void) {
  memset(sieve, 1, sizeof sieve);
  unsigned count = 0;
  for (unsigned i = 2; i < sizeof sieve; i++) if (sieve[i]) { count++; for (unsigned j = i * 2; j < sizeof sieve; j += i) sieve[j] = 0; }
  sink = count;
}

static struct { double x, y, z, vx, vy, vz, m; } body[5];
static void kernel_nbody(void) {
  for (int i = 0; i < 5; i++) { body[i].x = i * 1.3; body[i].y = i * i; body[i].z = -i; body[i].m = 1 + i * 0.1; }
  for (int step = 0; step < 20000; step++) {
    for (int i = 0; i < 5; i++) for (int j = i + 1; j < 5; j++) {
      double dx = body[i].x - body[j].x, dy = body[i].y - body[j].y, dz = body[i].z - body[j].z;
      double d2 = dx * dx + dy * dy + dz * dz + 0.01, mag = 0.001 / (d2 * sqrt(d2));
      body[i].vx -= dx * body[j].m * mag; body[i].vy -= dy * body[j].m * mag; body[i].vz -= dz * body[j].m * mag;
      body[j].vx += dx * body[i].m * mag; body[j].vy += dy * body[i].m * mag; body[j].vz += dz * body[i].m * mag;
    }
    for (int i = 0; i < 5; i++) { body[i].x += 0.001 * body[i].vx; body[i].y += 0.001 * body[i].vy; body[i].z += 0.001 * body[i].vz; }
  }
  sink = body[0].x;
}

static void kernel_mandelbrot(void) {
  unsigned inside = 0;
  for (int py = 0; py < 160; py++) for (int px = 0; px < 160; px++) {
    double cx = px / 60.0 - 2, cy = py / 80.0 - 1, x = 0, y = 0;
    int n = 0;
    while (x * x + y * y < 4 && n < 200) { double t = x * x - y * y + cx; y = 2 * x * y + cy; x = t; n++; }
    inside += n == 200;
  }
  sink = inside;
}

static int compare(const void *p, const void *q) { return (*(const int *)p > *(const int *)q) - (*(const int *)p < *(const int *)q); }
static void kernel_qsort(void) {
  static int v[100000];
  uint32_t s = 1;
  for (int i = 0; i < 100000; i++) v[i] = (int)((s = s * 1664525u + 1013904223u) >> 4);
  qsort(v, 100000, sizeof *v, compare);
  sink = v[500];
}

static void kernel_distance(void) {
  static char a[600], b[600];
  static int row[601];
  for (int i = 0; i < 600; i++) { a[i] = "ACGT"[i * 7 % 11 & 3]; b[i] = "ACGT"[i * 5 % 13 & 3]; }
  for (int j = 0; j <= 600; j++) row[j] = j;
  for (int i = 1; i <= 600; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= 600; j++) {
      int up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
      if (up + 1 < best) best = up + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = up;
      row[j] = best;
    }
  }
  sink = row[600];
}

static void kernel_machine(void) {
  static const uint8_t code[] = { 0, 1, 2, 0, 3, 1, 4, 2, 5 };
  int64_t stack[16] = { 0 };
  uint32_t acc = 1, counter = 300000, at = 0;
  while (counter) {
    switch (code[at++]) {
      case 0: acc = acc * 31 + 7; break;
      case 1: stack[acc & 15] += acc; break;
      case 2: acc ^= (uint32_t)stack[(acc >> 4) & 15]; break;
      case 3: acc = acc << 3 | acc >> 29; break;
      case 4: stack[(acc >> 8) & 15] ^= counter; break;
      case 5: at = 0; counter--; break;
    }
  }
  sink = acc;
}

static void kernel_strings(void) {
  static char word[16];
  unsigned total = 0;
  for (int i = 0; i < 60000; i++) {
    word[0] = (char)('a' + i % 26); word[1] = (char)('a' + i / 26 % 26); word[2] = 0;
    char joined[40];
    strcpy(joined, word); strcat(joined, "-suffix"); total += strlen(joined) + (strcmp(joined, "mm-suffix") > 0);
  }
  sink = total;
}

static const struct { const char *name; void (*run)(void); } kernels[] = {
  { "fib", kernel_fib }, { "matrix", kernel_matrix }, { "sieve", kernel_sieve }, { "nbody", kernel_nbody }, { "mandelbrot", kernel_mandelbrot },
  { "qsort", kernel_qsort }, { "distance", kernel_distance }, { "machine", kernel_machine }, { "strings", kernel_strings },
};

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  for (unsigned i = 0; i < sizeof kernels / sizeof *kernels; i++)
    if (!strcmp(argv[1], kernels[i].name)) { for (int turn = atoi(argv[2]); turn > 0; turn--) kernels[i].run(); printf("%.17g\n", sink); return 0; }
  return 2;
}
