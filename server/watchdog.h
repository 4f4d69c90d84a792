/*
 * watchdog.h - notices that a script takes long, at no cost to those that do not.
 *
 * A thread looks at the running script's start from time to time; when it is some milliseconds ago,
 * it sends a signal to the executor's thread, whose handler interrupts the vm (vm_interrupt()). It
 * sleeps for good while no scripts are run.
 */
#ifndef REDOUBT_SERVER_WATCHDOG_H
#define REDOUBT_SERVER_WATCHDOG_H

struct vm;
struct watchdog;

/* To be called on the thread that runs scripts. */
struct watchdog *watchdog_start(void);
void watchdog_stop(struct watchdog *w);
/* A run begins and ends. They do not nest. */
void watchdog_begin(struct watchdog *w, struct vm *vm);
void watchdog_end(struct watchdog *w);

#endif
