/* Not written for Godwit: a recursive search and a recursive floating-point walk, for each line read: its depth. */
#include <stdio.h>
#include <stdlib.h>

static unsigned queens(int n, unsigned columns, unsigned left, unsigned right) {
  unsigned all = (1u << n) - 1, found = 0;
  if (columns == all) return 1;
  for (unsigned open = all & ~(columns | left | right); open; open &= open - 1) {
    unsigned bit = open & -open;
    found += queens(n, columns | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return found;
}

static double walked;
static double walk(double x, int depth) {
  if (depth == 0) return x;
  double sum = 0;
  for (int i = 0; i < 3; i++) sum += walk(x * 0.5 + i, depth - 1);
  walked += sum;
  return sum / 3 + walked * 1e-9;
}

int main(void) {
  char line[64];
  for (int round = 0; fgets(line, sizeof line, stdin); round++) {
    int depth = atoi(line);
    printf("%d queens %u walk %.17g\n", round, queens(depth, 0, 0, 0), walk(round, depth));
    fflush(stdout);
  }
  return 0;
}
