/*
 * Checks itself: counts, hashes and rewrites its memory without pause, and lets it grow. Each round every cell must hold
 * what the round before has put there; a lost, torn or repeated page ends it with code 99.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CELLS_PER_BLOCK 8192
#define BLOCKS 40
#ifndef ROUNDS
#define ROUNDS 60
#endif

static uint64_t *blocks[BLOCKS];
static uint64_t expected(uint64_t round, uint64_t block, uint64_t cell) {
  uint64_t x = round * 0x9e3779b97f4a7c15u ^ block << 32 ^ cell;
  x ^= x >> 29;
  return x * 0xbf58476d1ce4e5b9u;
}

int main(void) {
  uint64_t hash = 0, count = 0;
  int held = 0;
  for (uint64_t round = 1; round <= ROUNDS; round++) {
    if (held < BLOCKS) {
      uint64_t *fresh = malloc(CELLS_PER_BLOCK * sizeof *fresh);
      if (!fresh) return 98;
      for (uint64_t i = 0; i < CELLS_PER_BLOCK; i++) fresh[i] = expected(round - 1, held, i);
      blocks[held++] = fresh;
    }
    for (int b = 0; b < held; b++) {
      for (uint64_t i = 0; i < CELLS_PER_BLOCK; i++) {
        if (blocks[b][i] != expected(round - 1, b, i)) {
          fprintf(stderr, "round %llu block %d cell %llu\n", (unsigned long long)round, b, (unsigned long long)i);
          return 99;
        }
        hash = (hash ^ blocks[b][i]) * 0x100000001b3u;
        blocks[b][i] = expected(round, b, i);
        count++;
      }
    }
    if (round % 10 == 0) {
      printf("round %llu count %llu hash %016llx\n", (unsigned long long)round, (unsigned long long)count, (unsigned long long)hash);
      fflush(stdout);
    }
  }
  return 0;
}
