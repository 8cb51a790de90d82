/* Checks itself: counts lines, hashes them, rewrites a table of its memory at each; any byte lost or doubled shows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS (1 << 18)
static uint32_t table[WORDS];

int main(int argc, char **argv) {
  uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 1, hash = 2166136261u;
  char line[4096];
  for (uint32_t i = 0; i < WORDS; i++) table[i] = i * 2654435761u;
  setvbuf(stdout, NULL, _IOLBF, 4096);
  for (uint32_t count = 1; fgets(line, sizeof line, stdin) != NULL; count++) {
    for (char *c = line; *c; c++) hash = (hash ^ (uint8_t)*c) * 16777619u;
    for (uint32_t round = 0; round < rounds; round++) {
      for (uint32_t i = 0; i < WORDS; i++) {
        table[i] = (table[i] ^ hash) * 16777619u + count;
        hash += table[(i * 13 + 5) % WORDS] >> 3;
      }
    }
    printf("%u %08x\n", count, hash);
  }
  return 3;
}
