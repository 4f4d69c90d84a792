/*
 * functions.h - libraries of functions: what FUNCTION LOAD brings and FCALL runs.
 *
 * A library is made whole or not at all: function_load() runs its code in the state of functions
 * and gives a library that nobody finds yet; functions_add() puts libraries in. All changes can be
 * taken back: while an undo log is open, the library that went stays there, and a flush leaves the
 * whole state there.
 *
 * Names of libraries are told apart by case, those of functions are not.
 */
#ifndef REDOUBT_SCRIPTING_FUNCTIONS_H
#define REDOUBT_SCRIPTING_FUNCTIONS_H

#include "scripting/cache.h"
#include "scripting/vm.h"

struct undo;

struct function {
    char *name;        /* owned */
    char *description; /* owned; NULL: none */
    struct library *library;
    int function;   /* in the vm */
    uint32_t flags; /* enum script_flag */
    struct script_stats stats;
};

struct library {
    struct vm *vm;
    char *name;                  /* owned */
    char *file;                  /* owned; where it was read from, NULL: a client sent it */
    struct bytes code;           /* owned; with its first line */
    struct function **functions; /* owned with what it points to; in the order of registration */
    int count, room;
};

struct functions;
struct functions *functions_create(const struct script_host *host, size_t memory_limit);
void functions_destroy(struct functions *f);

struct vm *functions_vm(const struct functions *f);
/* NULL: there is none. */
struct function *functions_find(const struct functions *f, struct bytes name);
struct library *functions_find_library(const struct functions *f, struct bytes name);
int functions_count(const struct functions *f);
/* Libraries by name: how many, and the i-th. */
int functions_library_count(const struct functions *f);
struct library *functions_library(const struct functions *f, int i);
/* Bytes of texts and bookkeeping; what Lua has is in the vm. */
size_t functions_memory(const struct functions *f);

/* Run code and make a library of what it registers. NULL: error says why, with its code. replace: a
 * library of that name may be there already. */
struct library *function_load(struct functions *f, struct bytes code, bool replace,
                              char error[VM_ERROR_MAX]);
/* Of one that is not in the registry. */
void library_destroy(struct library *lib);

/* Put libraries in, in the place of those with the same names. False: another name is taken, error
 * says which; nothing has changed. */
bool functions_add(struct functions *f, struct library **libs, int count, struct undo *undo,
                   char error[VM_ERROR_MAX]);
void functions_drop(struct functions *f, struct library *lib, struct undo *undo);
/* Each has what the other had, states included. With an undo log open, other is the log's from now
 * on: false. */
bool functions_exchange(struct functions *f, struct functions *other, struct undo *undo);

#endif
