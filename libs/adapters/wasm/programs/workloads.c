/* Small whole programs for the bench, chosen by the first argument, turned as often as the second says; prints a sum of what they computed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t sum;
static uint32_t seed = 1;
static uint32_t next(void) { return seed = seed * 1664525u + 1013904223u; }

/* SHA-256 of 64 KiB. */
static const uint32_t round_keys[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74,
  0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
  0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e,
  0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
  0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static uint32_t rotated(uint32_t x, int by) { return x >> by | x << (32 - by); }
static void hash_block(uint32_t state[8], const uint8_t *bytes) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)bytes[4 * i] << 24 | bytes[4 * i + 1] << 16 | bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
  }
  memcpy(s, state, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t t1 = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + round_keys[i] + w[i];
    uint32_t t2 = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    for (int j = 7; j > 0; j--) s[j] = s[j - 1];
    s[4] += t1;
    s[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) state[i] += s[i];
}
static uint8_t text[1 << 16];
static void run_sha256(void) {
  uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
  for (unsigned at = 0; at < sizeof text; at += 64) hash_block(state, text + at);
  sum += state[0] ^ state[7];
}

static unsigned queens(int n, unsigned columns, unsigned left, unsigned right) {
  unsigned all = (1u << n) - 1, found = 0;
  if (columns == all) return 1;
  for (unsigned open = all & ~(columns | left | right); open; open &= open - 1) {
    unsigned bit = open & -open;
    found += queens(n, columns | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return found;
}
static volatile int board = 9;
static void run_queens(void) { sum += queens(board, 0, 0, 0); }

/* Conway's game on a torus of 128 × 128 cells. */
static uint8_t cells[2][128][128];
static void run_life(void) {
  for (int y = 0; y < 128; y++) for (int x = 0; x < 128; x++) cells[0][y][x] = next() >> 31;
  for (int generation = 0; generation < 16; generation++) {
    uint8_t (*from)[128] = cells[generation & 1], (*to)[128] = cells[~generation & 1];
    for (int y = 0; y < 128; y++) for (int x = 0; x < 128; x++) {
      int around = 0;
      for (int dy = -1; dy <= 1; dy++) for (int dx = -1; dx <= 1; dx++) if (dx || dy) around += from[(y + dy) & 127][(x + dx) & 127];
      to[y][x] = around == 3 || (around == 2 && from[y][x]);
    }
  }
  for (int i = 0; i < 128; i++) sum += cells[0][i][i];
}

/* A compressor of the LZ77 family: matches found through a table of hashes, and its inverse, compared. */
static uint8_t packed[1 << 17], unpacked[1 << 16];
static unsigned pack(const uint8_t *in, unsigned length, uint8_t *out) {
  static uint32_t heads[4096];
  unsigned at = 0, to = 0, literals = 0;
  memset(heads, 0, sizeof heads);
  while (at + 4 < length) {
    uint32_t word;
    memcpy(&word, in + at, 4);
    uint32_t *head = &heads[word * 2654435761u >> 20], before = *head;
    *head = at + 1;
    unsigned same = 0;
    if (before && at - (before - 1) < 65536) while (same < 255 && at + same < length && in[before - 1 + same] == in[at + same]) same++;
    if (same >= 4) {
      unsigned distance = at - (before - 1);
      out[to++] = 1; out[to++] = (uint8_t)same; out[to++] = (uint8_t)distance; out[to++] = (uint8_t)(distance >> 8);
      at += same;
    } else { out[to++] = 0; out[to++] = in[at++]; literals++; }
  }
  while (at < length) { out[to++] = 0; out[to++] = in[at++]; }
  sum += literals;
  return to;
}
static unsigned unpack(const uint8_t *in, unsigned length, uint8_t *out) {
  unsigned at = 0, to = 0;
  while (at < length) {
    if (in[at++] == 0) { out[to++] = in[at++]; continue; }
    unsigned same = in[at], distance = in[at + 1] | in[at + 2] << 8;
    for (at += 3; same; same--, to++) out[to] = out[to - distance];
  }
  return to;
}
static void run_lz(void) {
  unsigned length = pack(text, sizeof text, packed);
  sum += length + (unpack(packed, length, unpacked) == sizeof text && !memcmp(text, unpacked, sizeof text));
}

/* A table of words with chains, on the allocator. */
struct entry { struct entry *next; uint32_t hash; unsigned count; char word[12]; };
static void run_table(void) {
  static struct entry *buckets[1024];
  for (int i = 0; i < 20000; i++) {
    char word[12];
    uint32_t hash = 2166136261u, r = next() >> 8;
    int length = 3 + (int)(r % 6);
    for (int k = 0; k < length; k++) { word[k] = (char)('a' + (r >> k) % 7); hash = (hash ^ (uint8_t)word[k]) * 16777619u; }
    word[length] = 0;
    struct entry **at = &buckets[hash & 1023];
    while (*at && ((*at)->hash != hash || strcmp((*at)->word, word))) at = &(*at)->next;
    if (!*at) { *at = calloc(1, sizeof **at); if (!*at) exit(3); (*at)->hash = hash; strcpy((*at)->word, word); }
    sum += ++(*at)->count;
  }
  for (int b = 0; b < 1024; b++) for (struct entry *e = buckets[b], *rest; e; e = rest) { rest = e->next; free(e); buckets[b] = rest; }
}

/* A recursive parser of JSON that counts and adds up what it finds. */
static char json[1 << 17];
static const char *value(const char *p, int depth);
static const char *blanks(const char *p) { while (*p == ' ' || *p == '\n') p++; return p; }
static const char *members(const char *p, char close, int depth) {
  for (p = blanks(p + 1); *p != close;) {
    if (close == '}') { p = value(p, depth + 1); p = blanks(blanks(p) + 1); }
    p = blanks(value(p, depth + 1));
    if (*p == ',') p = blanks(p + 1);
  }
  return p + 1;
}
static const char *value(const char *p, int depth) {
  switch (*p) {
    case '{': return members(p, '}', depth);
    case '[': return members(p, ']', depth);
    case '"': for (p++; *p != '"'; p++) if (*p == '\\') p++; sum += (uint64_t)depth; return p + 1;
    case 't': sum++; return p + 4;
    case 'n': return p + 4;
    default: { int number = 0; while ((*p >= '0' && *p <= '9') || *p == '.' || *p == '-') number = number * 10 + (*p++ & 15); sum += (uint64_t)(unsigned)number; return p; }
  }
}
static char *put(char *p, int depth) {
  if (depth == 0 || next() >> 30 == 0) return p + sprintf(p, "%u", (unsigned)(next() >> 20));
  int count = 2 + (int)(next() >> 30), object = depth & 1;
  *p++ = object ? '{' : '[';
  for (int i = 0; i < count; i++) {
    if (i) { *p++ = ','; *p++ = ' '; }
    if (object) p += sprintf(p, "\"key\\n%d\": ", i);
    if (i == 1) p += sprintf(p, "[true, null, \"text\"]");
    else p = put(p, depth - 1);
  }
  *p++ = object ? '}' : ']';
  return p;
}
static void run_json(void) { for (int i = 0; i < 20; i++) value(json, 0); }

static const struct { const char *name; void (*run)(void); } programs[] = {
  { "sha256", run_sha256 }, { "queens", run_queens }, { "life", run_life }, { "lz", run_lz }, { "table", run_table }, { "json", run_json },
};

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  for (unsigned i = 0; i < sizeof text; i++) text[i] = "the quick brown fox jumps over the lazy dog, again"[next() >> 24 & 15 ? i % 47 : next() >> 27];
  char *p = json;
  *p++ = '[';
  for (int i = 0; i < 40; i++) { if (i) *p++ = ','; p = put(p, 5); }
  if (p - json > (long)(sizeof json / 2)) return 3;
  strcpy(p, "]");
  for (unsigned i = 0; i < sizeof programs / sizeof *programs; i++) {
    if (strcmp(argv[1], programs[i].name)) continue;
    for (int turn = atoi(argv[2]); turn > 0; turn--) programs[i].run();
    printf("%llu\n", (unsigned long long)sum);
    return 0;
  }
  return 2;
}
