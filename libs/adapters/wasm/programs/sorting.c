/* Calls through tables: qsort with comparators chosen at run time, and a small machine of function pointers, on input lines of numbers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*Compare)(const void *, const void *);
static int rising(const void *x, const void *y) { return (*(const int *)x > *(const int *)y) - (*(const int *)x < *(const int *)y); }
static int falling(const void *x, const void *y) { return rising(y, x); }
static int by_digits(const void *x, const void *y) {
  int p = *(const int *)x, q = *(const int *)y, dp = 0, dq = 0;
  for (; p; p /= 10) dp += abs(p % 10);
  for (; q; q /= 10) dq += abs(q % 10);
  return dp != dq ? dp - dq : rising(x, y);
}
static Compare const orders[] = { rising, falling, by_digits };

typedef uint32_t (*Step)(uint32_t, int);
static uint32_t mix(uint32_t h, int v) { return (h ^ (uint32_t)v) * 16777619u; }
static uint32_t turn(uint32_t h, int v) { return (h << (v & 15) | h >> (31 & -(v & 15))) + 1; }
static Step const steps[] = { mix, turn };

int main(void) {
  char line[64];
  uint32_t state = 1;
  while (fgets(line, sizeof line, stdin)) {
    int count = atoi(line);
    int *numbers = malloc(sizeof *numbers * (size_t)count);
    if (!numbers) return 1;
    for (int i = 0; i < count; i++) { state = state * 1664525u + 1013904223u; numbers[i] = (int)(state >> 8) % 100000; }
    uint32_t hash = 2166136261u;
    for (int order = 0; order < 3; order++) {
      qsort(numbers, (size_t)count, sizeof *numbers, orders[order]);
      for (int i = 0; i < count; i++) hash = steps[(numbers[i] >> order) & 1](hash, numbers[i]);
    }
    printf("%d %d %d %08x\n", count, numbers[0], numbers[count - 1], hash);
    fflush(stdout);
    free(numbers);
  }
  return 0;
}
