/* Checks itself: counts without pause, rewrites a table of its memory, and hashes it. Any lost or doubled step shows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS 4096
static uint32_t table[WORDS];

int main(void) {
  uint32_t hash = 2166136261u, *grown = malloc(WORDS * sizeof *grown);
  for (uint32_t i = 0; i < WORDS; i++) table[i] = grown[i] = i * 2654435761u;
  for (uint32_t count = 1;; count++) {
    for (uint32_t i = 0; i < WORDS; i++) {
      table[i] = (table[i] ^ grown[(i * 7 + count) % WORDS]) * 16777619u + count;
      grown[i] += table[(i * 13 + 5) % WORDS] >> 3;
      hash = (hash ^ table[i]) * 16777619u;
    }
    if (count % 64 == 0) {
      printf("%u %08x\n", count / 64, hash);
      fflush(stdout);
    }
  }
}
