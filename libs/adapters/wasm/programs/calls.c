/* System calls with pointers and lengths that lie, clocks, sleeps and files: prints what each answered. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

extern int32_t raw_write(int32_t, int32_t, int32_t, int32_t) __attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write")));
extern int32_t raw_read(int32_t, int32_t, int32_t, int32_t) __attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_read")));
extern int32_t raw_random(int32_t, int32_t) __attribute__((import_module("wasi_snapshot_preview1"), import_name("random_get")));
extern int32_t raw_args(int32_t, int32_t) __attribute__((import_module("wasi_snapshot_preview1"), import_name("args_get")));
extern int32_t raw_time(int32_t, int64_t, int32_t) __attribute__((import_module("wasi_snapshot_preview1"), import_name("clock_time_get")));
extern int32_t raw_poll(int32_t, int32_t, int32_t, int32_t) __attribute__((import_module("wasi_snapshot_preview1"), import_name("poll_oneoff")));

static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ll + t.tv_nsec; }

int main(void) {
  int32_t vector[2] = { -16, 64 }, far = -4, result;
  printf("write %d %d %d", raw_write(1, far, 1, (int32_t)(intptr_t)&result), raw_write(1, (int32_t)(intptr_t)vector, 1, (int32_t)(intptr_t)&result), raw_write(1, 0, 1 << 28, 0));
  printf(" read %d %d", raw_read(0, far, 1, 0), raw_read(5, 0, 1, 0));
  printf(" random %d %d args %d time %d %d poll %d %d\n", raw_random(-8, 1 << 20), raw_random(16, -1), raw_args(far, far), raw_time(0, 0, far), raw_time(9, 0, 64), raw_poll(far, 0, 1, 0), raw_poll(0, 0, 0, 0));
  printf("open %d errno %d\n", open("/etc/passwd", O_RDONLY), errno != 0);
  printf("seek %d\n", (int)lseek(0, 0, SEEK_SET));
  int64_t begin = now();
  sleep(3600);
  printf("slept %lld s\n", (long long)((now() - begin) / 1000000000));
  begin = now();
  while (now() - begin < 5000000) {}
  printf("waited\n");
  printf("grow %d\n", (int)__builtin_wasm_memory_grow(0, 4000));
  void *volatile much = malloc(200u << 20);
  printf("malloc %d\n", much != 0);
  printf("env %s\n", getenv("GREETING"));
  return 0;
}
