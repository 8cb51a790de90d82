/* Deep, branching recursion: Fibonacci, Ackermann and N-queens, one line of output each round. */
#include <stdio.h>
#include <stdint.h>

static unsigned fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static unsigned ackermann(unsigned m, unsigned n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}
static unsigned queens(int n, unsigned columns, unsigned left, unsigned right) {
  unsigned all = (1u << n) - 1;
  if (columns == all) return 1;
  unsigned found = 0;
  for (unsigned free = all & ~(columns | left | right); free; free &= free - 1) {
    unsigned bit = free & -free;
    found += queens(n, columns | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return found;
}

int main(void) {
  for (int round = 0; round < 3; round++) {
    printf("fib %u\n", fib(24 + round));
    printf("ackermann %u\n", ackermann(2, 60 + round));
    printf("queens %u\n", queens(7 + round, 0, 0, 0));
    fflush(stdout);
  }
  return 7;
}
