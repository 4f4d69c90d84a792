/*
 * functions.c - the registry: two sorted arrays, and what takes their changes back.
 */
#include "scripting/functions.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "scripting/function_load.h"
#include "storage/undo.h"

struct functions {
    struct vm *vm;
    struct library **libraries; /* owned; by name */
    int library_count, library_room;
    struct function **by_name; /* owned; by name without case */
    int count, room;
    size_t memory;
};

/* -- libraries --------------------------------------------------------------------------------- */

static size_t memory_of(const struct library *lib)
{
    size_t bytes = sizeof *lib + lib->code.len + strlen(lib->name);
    for (int i = 0; i < lib->count; i++)
        bytes += sizeof(struct function) + 2 * sizeof(void *) + strlen(lib->functions[i]->name);
    return bytes;
}

static void end_function(struct function *fn)
{
    mem_free(fn->name);
    mem_free(fn->description);
    mem_free(fn);
}

/* What is not Lua's. */
static void end_library(struct library *lib)
{
    for (int i = 0; i < lib->count; i++)
        end_function(lib->functions[i]);
    mem_free(lib->functions);
    mem_free((char *)lib->code.ptr);
    mem_free(lib->file);
    mem_free(lib->name);
    mem_free(lib);
}

void library_destroy(struct library *lib)
{
    for (int i = 0; i < lib->count; i++)
        vm_forget(lib->vm, lib->functions[i]->function);
    end_library(lib);
}

struct library *function_load(struct functions *f, struct bytes code, bool replace,
                              char error[VM_ERROR_MAX])
{
    char *name;
    struct bytes body;
    if (!function_load_header(code, &name, &body, error))
        return NULL;
    if (!replace && functions_find_library(f, bytes_of_text(name)) != NULL) {
        snprintf(error, VM_ERROR_MAX, "ERR Library '%s' already exists", name);
        mem_free(name);
        return NULL;
    }
    struct library *lib = mem_alloc_zeroed(sizeof *lib);
    lib->vm = f->vm;
    lib->name = name;
    lib->code = bytes_of(mem_copy_bytes(code.ptr, code.len), code.len);
    if (function_load_run(f->vm, body, lib, error) && lib->count > 0)
        return lib;
    if (error[0] == '\0')
        snprintf(error, VM_ERROR_MAX, "ERR No functions registered");
    library_destroy(lib);
    return NULL;
}

/* -- looking up -------------------------------------------------------------------------------- */

static int compare_function(struct bytes name, const struct function *fn)
{
    size_t len = strlen(fn->name), least = name.len < len ? name.len : len;
    int order = strncasecmp(name.ptr, fn->name, least);
    return order != 0 ? order : (name.len > len) - (name.len < len);
}

/* Where it is or would be; *found says which. */
static int function_place(const struct functions *f, struct bytes name, bool *found)
{
    int low = 0, high = f->count;
    while (low < high) {
        int middle = (low + high) / 2;
        int order = compare_function(name, f->by_name[middle]);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *found = false;
    return low;
}

static int library_place(const struct functions *f, struct bytes name, bool *found)
{
    int low = 0, high = f->library_count;
    while (low < high) {
        int middle = (low + high) / 2;
        int order = bytes_compare(name, bytes_of_text(f->libraries[middle]->name));
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *found = false;
    return low;
}

struct function *functions_find(const struct functions *f, struct bytes name)
{
    bool found;
    int at = function_place(f, name, &found);
    return found ? f->by_name[at] : NULL;
}

struct library *functions_find_library(const struct functions *f, struct bytes name)
{
    bool found;
    int at = library_place(f, name, &found);
    return found ? f->libraries[at] : NULL;
}

struct vm *functions_vm(const struct functions *f)
{
    return f->vm;
}

int functions_count(const struct functions *f)
{
    return f->count;
}

int functions_library_count(const struct functions *f)
{
    return f->library_count;
}

struct library *functions_library(const struct functions *f, int i)
{
    return f->libraries[i];
}

size_t functions_memory(const struct functions *f)
{
    return f->memory + sizeof *f;
}

/* -- putting in and taking out ----------------------------------------------------------------- */

/* Make room for one more pointer at place at. */
static void *open_gap(void *array, int count, int *room, int at)
{
    void **items = array;
    if (count == *room) {
        *room = *room == 0 ? 8 : *room * 2;
        items = mem_resize(items, (size_t)*room * sizeof *items);
    }
    memmove(items + at + 1, items + at, (size_t)(count - at) * sizeof *items);
    return items;
}

static void put(struct functions *f, struct library *lib)
{
    bool found;
    int at = library_place(f, bytes_of_text(lib->name), &found);
    f->libraries = open_gap(f->libraries, f->library_count++, &f->library_room, at);
    f->libraries[at] = lib;
    for (int i = 0; i < lib->count; i++) {
        at = function_place(f, bytes_of_text(lib->functions[i]->name), &found);
        f->by_name = open_gap(f->by_name, f->count++, &f->room, at);
        f->by_name[at] = lib->functions[i];
    }
    f->memory += memory_of(lib);
}

static void take(struct functions *f, struct library *lib)
{
    bool found;
    int at = library_place(f, bytes_of_text(lib->name), &found);
    f->library_count--;
    memmove(f->libraries + at, f->libraries + at + 1,
            (size_t)(f->library_count - at) * sizeof *f->libraries);
    for (int i = 0; i < lib->count; i++) {
        at = function_place(f, bytes_of_text(lib->functions[i]->name), &found);
        f->count--;
        memmove(f->by_name + at, f->by_name + at + 1, (size_t)(f->count - at) * sizeof *f->by_name);
    }
    f->memory -= memory_of(lib);
}

/* -- undo -------------------------------------------------------------------------------------- */

struct change {
    struct functions *functions;
    struct library *library;
};

static void revert_added(struct keyspace *ks, void *record)
{
    struct change *c = record;
    (void)ks;
    take(c->functions, c->library);
    library_destroy(c->library);
}

static void revert_dropped(struct keyspace *ks, void *record)
{
    struct change *c = record;
    (void)ks;
    put(c->functions, c->library);
}

static void keep_dropped(struct keyspace *ks, void *record)
{
    struct change *c = record;
    (void)ks;
    library_destroy(c->library);
}

static const struct undo_kind added_kind = {"library added", revert_added, NULL};
static const struct undo_kind dropped_kind = {"library dropped", revert_dropped, keep_dropped};

static void note(struct undo *undo, const struct undo_kind *kind, struct functions *f,
                 struct library *lib)
{
    struct change *c = undo_record(undo, kind, sizeof *c);
    *c = (struct change){f, lib};
    undo->kept += memory_of(lib);
}

void functions_drop(struct functions *f, struct library *lib, struct undo *undo)
{
    take(f, lib);
    if (undo_is_open(undo))
        note(undo, &dropped_kind, f, lib);
    else
        library_destroy(lib);
}

struct exchange {
    struct functions *functions, *other;
};

static void swap(struct functions *a, struct functions *b)
{
    struct functions kept = *a;
    *a = *b;
    *b = kept;
}

static void revert_exchange(struct keyspace *ks, void *record)
{
    struct exchange *x = record;
    (void)ks;
    swap(x->functions, x->other);
    functions_destroy(x->other);
}

static void keep_exchange(struct keyspace *ks, void *record)
{
    struct exchange *x = record;
    (void)ks;
    functions_destroy(x->other);
}

static const struct undo_kind exchange_kind = {"functions exchanged", revert_exchange,
                                               keep_exchange};

bool functions_exchange(struct functions *f, struct functions *other, struct undo *undo)
{
    swap(f, other);
    if (!undo_is_open(undo))
        return true;
    struct exchange *x = undo_record(undo, &exchange_kind, sizeof *x);
    *x = (struct exchange){f, other};
    undo->kept += functions_memory(other) + vm_memory(other->vm);
    return false;
}

/* -- several at once --------------------------------------------------------------------------- */

static int by_library_name(const void *a, const void *b)
{
    return strcmp((*(struct library *const *)a)->name, (*(struct library *const *)b)->name);
}

static int by_function_name(const void *a, const void *b)
{
    return strcasecmp((*(struct function *const *)a)->name, (*(struct function *const *)b)->name);
}

/* Is a library of that name among libs, which are sorted? */
static bool is_among(struct library **libs, int count, const struct library *lib)
{
    return bsearch(&lib, libs, (size_t)count, sizeof *libs, by_library_name) != NULL;
}

static struct function **all_of(struct library **libs, int count, int *total)
{
    *total = 0;
    for (int i = 0; i < count; i++)
        *total += libs[i]->count;
    struct function **all = mem_alloc(((size_t)*total + 1) * sizeof *all);
    int at = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < libs[i]->count; j++)
            all[at++] = libs[i]->functions[j];
    return all;
}

/* A function whose name two of libs have, or one that stays in the registry; NULL: none. */
static const char *taken_function(const struct functions *f, struct library **libs, int count)
{
    int total;
    struct function **all = all_of(libs, count, &total);
    const char *taken = NULL;
    qsort(all, (size_t)total, sizeof *all, by_function_name);
    for (int i = 0; i < total && taken == NULL; i++) {
        const struct function *other = functions_find(f, bytes_of_text(all[i]->name));
        bool is_twice = i > 0 && by_function_name(&all[i - 1], &all[i]) == 0;
        if (is_twice || (other != NULL && !is_among(libs, count, other->library)))
            taken = all[i]->name;
    }
    mem_free(all);
    return taken;
}

static bool has_collision(const struct functions *f, struct library **libs, int count,
                          char error[VM_ERROR_MAX])
{
    for (int i = 1; i < count; i++)
        if (by_library_name(&libs[i - 1], &libs[i]) == 0) {
            snprintf(error, VM_ERROR_MAX, "ERR Library '%s' already exists", libs[i]->name);
            return true;
        }
    const char *taken = taken_function(f, libs, count);
    if (taken != NULL)
        snprintf(error, VM_ERROR_MAX, "ERR Function %s already exists", taken);
    return taken != NULL;
}

bool functions_add(struct functions *f, struct library **libs, int count, struct undo *undo,
                   char error[VM_ERROR_MAX])
{
    if (count > 1)
        qsort(libs, (size_t)count, sizeof *libs, by_library_name);
    if (has_collision(f, libs, count, error))
        return false;
    for (int i = 0; i < count; i++) {
        struct library *old = functions_find_library(f, bytes_of_text(libs[i]->name));
        if (old != NULL)
            functions_drop(f, old, undo);
    }
    for (int i = 0; i < count; i++) {
        put(f, libs[i]);
        if (undo_is_open(undo))
            note(undo, &added_kind, f, libs[i]);
    }
    return true;
}

/* -- life -------------------------------------------------------------------------------------- */

struct functions *functions_create(const struct script_host *host, size_t memory_limit)
{
    struct functions *f = mem_alloc_zeroed(sizeof *f);
    f->vm = vm_create(host, memory_limit, function_load_open);
    return f;
}

void functions_destroy(struct functions *f)
{
    if (f == NULL)
        return;
    vm_destroy(f->vm);
    for (int i = 0; i < f->library_count; i++)
        end_library(f->libraries[i]);
    mem_free(f->libraries);
    mem_free(f->by_name);
    mem_free(f);
}
