/* Fails in the way that its argument names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int depth(volatile int n) { return n == 0 ? 0 : 1 + depth(n - 1) * (n & 1 ? 1 : -1); }
static volatile int never;

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  if (!strcmp(how, "loop")) for (volatile unsigned i = 0;; i++) {}
  if (!strcmp(how, "tight")) for (;;) {}
  if (!strcmp(how, "trap")) { fprintf(stderr, "about to fail"); __builtin_trap(); }
  if (!strcmp(how, "divide")) return argc * 1000 / never;
  if (!strcmp(how, "wild")) return *(volatile int *)0xfffffff0;
  if (!strcmp(how, "endless-recursion")) return depth(-1);
  if (!strcmp(how, "deep")) for (;;) if (depth(900) == -1) return 1;
  if (!strcmp(how, "talk")) {
    for (int i = 0; i < 3; i++) { printf("%d", i); fflush(stdout); }
    char *much = malloc(200000);
    memset(much, 'x', 200000);
    fwrite(much, 1, 200000, stdout);
  }
  return 0;
}
