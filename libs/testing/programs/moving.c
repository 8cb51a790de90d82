/*
 * For the bench of moves: holds a working set, writes to it at a steady rate, and looks at the host's monotonic clock all
 * the while. Whenever two looks lie further apart than ever since the last report, it says how far: that is a freeze, as
 * the program itself sees it. Natively compiled it is the program that CRIU moves.
 *   moving <bytes> <words written per millisecond>
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOTABLE_NS 300000u

static uint64_t host_ns(void) {
#ifdef __wasi__
  /* Clock 100 is offered by runners of benches only: every other clock of a program is virtual. */
  uint64_t ns = 0;
  extern int host_clock(int id, uint64_t precision, uint64_t *ns) __attribute__((import_module("wasi_snapshot_preview1"), import_name("clock_time_get")));
  if (host_clock(100, 1, &ns) != 0) exit(97);
  return ns;
#else
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

int main(int argc, char **argv) {
  uint64_t bytes = argc > 1 ? strtoull(argv[1], 0, 10) : 1 << 20, rate = argc > 2 ? strtoull(argv[2], 0, 10) : 1;
  uint64_t words = bytes / 8, random = 88172645463325252u;
  volatile uint64_t *area = malloc(bytes);
  if (!area) return 98;
  for (uint64_t i = 0; i < words; i++) area[i] = (i + 1) * 0x9e3779b97f4a7c15u;
  printf("ready\n");
  fflush(stdout);
  uint64_t last = host_ns(), due = last;
  for (;;) {
    uint64_t now = host_ns();
    if (now - last > NOTABLE_NS) {
      printf("gap %llu at %llu\n", (unsigned long long)(now - last), (unsigned long long)now);
      fflush(stdout);
      now = host_ns();
      due = now;
    }
    last = now;
    if (now < due) continue;
    due += 1000000;
    for (uint64_t i = 0; i < rate; i++) {
      random ^= random << 13; random ^= random >> 7; random ^= random << 17;
      area[random % words] = random;
    }
  }
}
