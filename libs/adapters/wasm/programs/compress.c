/*
 * Drives the LZ4 library, of which nothing is changed: each line of input is a number of KiB; so much text is made up,
 * compressed at the highest level and unpacked again; the answer is the compressed size and its hash.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lz4hc.h"
#include "xxhash.h"

static const char *const words[] = { "the ", "godwit ", "flies ", "from ", "one ", "machine ", "to ", "another, ", "and ", "never ", "lands ", "between.\n" };

int main(void) {
  char line[64];
  uint32_t seed = 1;
  while (fgets(line, sizeof line, stdin)) {
    int size = atoi(line) * 1024, at = 0, bound = LZ4_compressBound(size);
    char *text = malloc((size_t)size + 16), *packed = malloc((size_t)bound), *again = malloc((size_t)size);
    if (size <= 0 || !text || !packed || !again) return 98;
    while (at < size) {
      seed = seed * 1664525u + 1013904223u;
      const char *word = words[(seed >> 24) % 12];
      for (const char *c = word; *c && at < size; c++) text[at++] = seed & 0x800 ? *c : (char)(*c ^ 0x20);
    }
    int bytes = LZ4_compress_HC(text, packed, size, bound, LZ4HC_CLEVEL_MAX);
    if (bytes <= 0 || LZ4_decompress_safe(packed, again, bytes, size) != size || memcmp(text, again, (size_t)size)) return 99;
    printf("%d KiB of text became %d bytes, %016llx\n", size / 1024, bytes, (unsigned long long)XXH64(packed, (size_t)bytes, 0));
    fflush(stdout);
    free(text); free(packed); free(again);
  }
  return 0;
}
