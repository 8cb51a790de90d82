/* Reads lines, answers each with its number, a running hash, the time and a random word: all that a system call can vary. */
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char line[256];
  uint32_t hash = 2166136261u, count = 0;
  printf("hello %s\n", argc > 1 ? argv[1] : "nobody");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    for (char *c = line; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint32_t chance;
    getentropy(&chance, sizeof chance);
    line[strcspn(line, "\n")] = 0;
    printf("%u %s %08x %lld.%09ld %08x\n", ++count, line, hash, (long long)now.tv_sec, now.tv_nsec, chance);
    fflush(stdout);
  }
  return 3;
}
