/*
 * watchdog.c - one thread, one signal.
 *
 * Runs are numbered: the thread sees a number twice, WATCH_MS apart, and knows that the run behind
 * it is at least that old. No clock is read, and a short run costs two stores.
 */
#include "server/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/memory.h"
#include "scripting/vm.h"

enum { WATCH_MS = 10, IDLE_LOOKS = 50, SIGNAL = SIGURG /* nobody minds a stray one */ };

struct watchdog {
    pthread_t thread, watched;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stopping;
    _Atomic bool asleep;
    _Atomic uint64_t run; /* odd while a script runs */
};

/* What the signal's handler interrupts; NULL: nothing runs. */
static struct vm *volatile interruptible;

static void on_signal(int number)
{
    (void)number;
    struct vm *vm = interruptible;
    if (vm != NULL)
        vm_interrupt(vm);
}

static void sleep_a_while(struct watchdog *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WATCH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&w->wake, &w->mutex, &until);
}

/* Until a script is run again. The flag goes up before the last look: a run that begins now sees
 * it, or is seen. */
static void sleep_until_used(struct watchdog *w, uint64_t last)
{
    atomic_store(&w->asleep, true);
    while (!w->stopping && atomic_load(&w->run) == last)
        pthread_cond_wait(&w->wake, &w->mutex);
    atomic_store(&w->asleep, false);
}

static void *watch(void *context)
{
    struct watchdog *w = context;
    uint64_t last = 0;
    int idle = 0;
    pthread_mutex_lock(&w->mutex);
    while (!w->stopping) {
        uint64_t run = atomic_load(&w->run);
        if (run != last)
            idle = 0;
        else if (run % 2 == 1)
            pthread_kill(w->watched, SIGNAL);
        else if (++idle > IDLE_LOOKS)
            sleep_until_used(w, last);
        last = run;
        sleep_a_while(w);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

struct watchdog *watchdog_start(void)
{
    struct watchdog *w = mem_alloc_zeroed(sizeof *w);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGNAL, &action, NULL);
    w->watched = pthread_self();
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &clock);
    pthread_condattr_destroy(&clock);
    sigset_t all, before; /* signals belong to the thread that handles them */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(&w->thread, NULL, watch, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w;
}

static void wake_up(struct watchdog *w)
{
    pthread_mutex_lock(&w->mutex);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
}

void watchdog_stop(struct watchdog *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_mutex_unlock(&w->mutex);
    wake_up(w);
    pthread_join(w->thread, NULL);
    signal(SIGNAL, SIG_IGN);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->mutex);
    mem_free(w);
}

void watchdog_begin(struct watchdog *w, struct vm *vm)
{
    interruptible = vm;
    atomic_store(&w->run, atomic_load_explicit(&w->run, memory_order_relaxed) + 1);
    if (atomic_load(&w->asleep))
        wake_up(w);
}

void watchdog_end(struct watchdog *w)
{
    interruptible = NULL;
    atomic_store_explicit(&w->run, atomic_load_explicit(&w->run, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
