/*
 * How far does a delay travel? A filter: flights come in as lines, findings go out as lines. Plain C and WASI, nothing of
 * Godwit in it: `network 12 < flights.csv` does the same in a shell.
 *
 *   in:   id,minute,delay,distance,FROM,TO        (minute of the day; delay in minutes; distance in miles)
 *   out:  id,FROM,TO,delay,reached,connections,spread,worst
 *
 * Every flight hands a part of its delay on to the flights that left its destination lately, those to theirs, and so on:
 * a depth-first search over the connections that are in memory. A connection absorbs some of the delay, a long or an old
 * one more. How much is not known, so the search is done under several assumptions (their number is the program's
 * argument), and averaged. The more flights of the day are known, the longer it takes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AIRPORTS 400
/* Latest departures that are kept of each airport. */
#define KEPT 192
/* Departures longer ago than this carry nothing on, minutes. */
#define WINDOW_MINUTES 300
#define DEPTH 4
/* Connections that are followed at each airport, by how deep the search is. */
static const uint32_t followed[DEPTH] = { KEPT, 2, 2, 2 };
/* A delay below this is not followed further, minutes. */
#define NEGLIGIBLE 0.01

typedef struct { int16_t to, minute; float delay, distance; } Departure;
typedef struct { char code[4]; uint32_t departures; int32_t seen; Departure latest[KEPT]; } Airport;
typedef struct { double coupling, worst; long connections; int32_t reached, mark, minute; } Search;

static Airport airports[MAX_AIRPORTS];
static int32_t airport_count;

static int32_t airport(const char *code) {
  for (int32_t i = 0; i < airport_count; i++) if (!strcmp(airports[i].code, code)) return i;
  if (airport_count == MAX_AIRPORTS) return -1;
  memcpy(airports[airport_count].code, code, 4);
  return airport_count++;
}

/* The delay that spreads from `at`, minutes over all flights together. */
static double follow(Search *search, int32_t at, double delay, int depth) {
  Airport *here = &airports[at];
  double total = 0;
  if (here->seen != search->mark) {
    here->seen = search->mark;
    search->reached++;
  }
  uint32_t known = here->departures < followed[depth] ? here->departures : followed[depth];
  for (uint32_t k = 1; k <= known; k++) {
    const Departure *next = &here->latest[(here->departures - k) % KEPT];
    int32_t ago = search->minute - next->minute;
    if (ago > WINDOW_MINUTES) break;
    double slack = 1.0 + next->distance / 1500.0 + 4.0 * ago / WINDOW_MINUTES;
    double handed = search->coupling * delay / (slack * (depth + 1));
    if (next->delay > 0) handed += 0.02 * next->delay / slack;
    if (handed < NEGLIGIBLE) continue;
    search->connections++;
    if (handed > search->worst) search->worst = handed;
    total += handed;
    if (depth + 1 < DEPTH) total += follow(search, next->to, handed, depth + 1);
  }
  return total;
}

static void depart(int32_t from, int32_t to, int32_t minute, int32_t delay, int32_t distance) {
  Airport *a = &airports[from];
  a->latest[a->departures++ % KEPT] = (Departure){ (int16_t)to, (int16_t)minute, (float)delay, (float)distance };
}

/* The minute went back: yesterday's flights have landed. */
static void begin_day(void) {
  for (int32_t i = 0; i < airport_count; i++) airports[i].departures = 0;
}

int main(int argc, char **argv) {
  int assumptions = argc > 1 ? atoi(argv[1]) : 12;
  char line[256];
  int32_t last_minute = 0, mark = 0;
  if (assumptions < 0 || assumptions > 100000) {
    fprintf(stderr, "network: the number of assumptions must be 0 to 100000, but is %s\n", argv[1]);
    return 2;
  }
  while (fgets(line, sizeof line, stdin)) {
    long id;
    int minute, delay, distance;
    char from[4] = "", to[4] = "";
    if (sscanf(line, "%ld,%d,%d,%d,%3[A-Z],%3[A-Z]", &id, &minute, &delay, &distance, from, to) != 6 || minute < 0 || minute > 1439) {
      fprintf(stderr, "network: not a flight: %s", line);
      continue;
    }
    int32_t origin = airport(from), destination = airport(to);
    if (origin < 0 || destination < 0) {
      fprintf(stderr, "network: more than %d airports\n", MAX_AIRPORTS);
      return 1;
    }
    if (minute < last_minute) begin_day();
    last_minute = minute;
    double spread = 0, worst = 0;
    long connections = 0;
    int32_t reached = 0;
    for (int i = 0; i < assumptions; i++) {
      Search search = { .coupling = 0.2 + 0.6 * (i + 0.5) / assumptions, .mark = ++mark, .minute = minute };
      spread += follow(&search, destination, 5.0 + (delay > 0 ? delay : 0), 0) / assumptions;
      worst = search.worst > worst ? search.worst : worst;
      connections += search.connections;
      reached = search.reached > reached ? search.reached : reached;
    }
    depart(origin, destination, minute, delay, distance);
    printf("%ld,%s,%s,%d,%d,%ld,%.4f,%.4f\n", id, from, to, delay, reached, connections, spread, worst);
  }
  return 0;
}
