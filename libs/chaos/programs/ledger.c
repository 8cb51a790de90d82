/*
 * Checks itself: for each line it counts, mixes the line into a hash, rewrites a table and words spread over four MiB of
 * memory, all of which go into the hash, and says count and hash. A line that is lost, repeated or out of order, and any
 * word of memory that a move damages, changes every answer from then on. libs/chaos/src/ledger.ts is its model.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TABLE 256
#define AREA (1u << 20)
static uint32_t table[TABLE], area[AREA];

static uint32_t hash = 2166136261u;
/* The rotation keeps a word that was made of the hash from cancelling it. */
static void mix(uint32_t word) { hash = (((hash << 5) | (hash >> 27)) ^ word) * 16777619u; }

int main(void) {
  char line[256];
  uint32_t count = 0;
  for (uint32_t i = 0; i < TABLE; i++) table[i] = i * 2654435761u;
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    count++;
    for (const char *at = line; *at; at++) mix((uint8_t)*at);
    for (uint32_t i = 0; i < TABLE; i++) {
      table[i] = (table[i] ^ hash) * 16777619u + count;
      mix(table[i]);
    }
    for (uint32_t i = 0; i < 64; i++) {
      uint32_t *word = &area[(count * 64 + i) * 1021u % AREA];
      *word = *word * 31 + hash;
      mix(*word);
    }
    printf("%u %08x\n", count, hash);
    fflush(stdout);
  }
  return 0;
}
