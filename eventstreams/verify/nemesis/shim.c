/* Preloaded into a program: its wall clock runs off, and names resolve no more, as a file of 16 bytes says that others
   write and that is mapped here: nanoseconds to add to the wall clock (int64), whether resolving fails (int64).
   Waits until a moment of the wall clock end when the true clock gets there: a clock that is stepped wakes nobody late. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control { volatile int64_t ahead_ns; volatile int64_t no_names; };
static const struct control *control;
static int (*true_gettime)(clockid_t, struct timespec *);
static int (*true_getaddrinfo)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static int (*true_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void) {
  true_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  true_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
  true_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"); /* not the one of LinuxThreads */
  if (!true_timedwait) true_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  const char *name = getenv("NEMESIS_CONTROL");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) control = mapped;
}

static void add(struct timespec *at, int64_t ns) {
  int64_t all = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + ns;
  at->tv_sec = all / 1000000000;
  at->tv_nsec = all % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  if (!true_gettime) begin(); /* another library's constructor was first */
  int failed = true_gettime(clock, at);
  if (!failed && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) add(at, control->ahead_ns);
  return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
  (void)zone;
  struct timespec now;
  int failed = clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return failed;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
  struct timespec truly = *until;
  if (!true_timedwait) begin();
  if (control && until->tv_sec > 1000000000) add(&truly, -control->ahead_ns); /* since 1970, so not since the boot */
  return true_timedwait(condition, mutex, &truly);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  if (!true_getaddrinfo) begin();
  struct addrinfo numeric = {0}, *address;
  numeric.ai_flags = AI_NUMERICHOST;
  if (control && control->no_names && name && name[0]) {
    if (true_getaddrinfo(name, NULL, &numeric, &address)) return EAI_AGAIN; /* it is no address but a name */
    freeaddrinfo(address);
  }
  return true_getaddrinfo(name, service, hints, found);
}
