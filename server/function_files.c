/*
 * function_files.c - reading libraries from files, all or none.
 *
 * First every library is made, which runs its code; then all are put in at once. A library whose
 * file is gone, goes with it. Libraries that clients have loaded stay, unless a file brings one of
 * the same name.
 */
#include "server/function_files.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "scripting/functions.h"
#include "server/scripts.h"
#include "server/server.h"

enum { FILE_MAX = 64 << 20 };

struct loaded {
    struct functions *functions;
    struct library **libs; /* owned */
    int count, room;
    struct text *error;
};

/* -- errors ------------------------------------------------------------------------------------ */

/* The loader's words, with file and line in front: it calls every chunk user_function. */
static bool fail_in_file(struct text *out, const char *path, const char *error)
{
    static const char chunk[] = "user_function:", code[] = "ERR ";
    const char *at = strstr(error, chunk);
    char *end = NULL;
    long line = 1;
    if (strncmp(error, code, sizeof code - 1) == 0)
        error += sizeof code - 1;
    if (at != NULL)
        line = strtol(at + sizeof chunk - 1, &end, 10);
    text_addf(out, "%s:%ld: ", path, line);
    if (end == NULL || *end != ':') {
        text_addf(out, "%s", error);
        return false;
    }
    size_t head = (size_t)(at - error), prefix = sizeof code - 1;
    if (head >= prefix && strncmp(at - prefix, code, prefix) == 0)
        head -= prefix;
    text_add(out, bytes_of(error, head));
    text_addf(out, "%s", end + 1 + (end[1] == ' '));
    return false;
}

/* A name is taken: of the library that has it, the last one that was read is to blame. */
static bool fail_in_collision(const struct loaded *l, const char *error)
{
    const char *path = "load-functions";
    for (int i = 0; i < l->count; i++) {
        for (int j = 0; j < l->libs[i]->count; j++) {
            char word[VM_ERROR_MAX];
            snprintf(word, sizeof word, " %s already", l->libs[i]->functions[j]->name);
            if (strstr(error, word) != NULL)
                path = l->libs[i]->file;
        }
        if (strstr(error, l->libs[i]->name) != NULL && strstr(error, "Library") != NULL)
            path = l->libs[i]->file;
    }
    return fail_in_file(l->error, path, error);
}

/* -- reading ----------------------------------------------------------------------------------- */

static bool read_all(FILE *file, struct text *out)
{
    char part[16 * 1024];
    size_t count;
    while ((count = fread(part, 1, sizeof part, file)) > 0 && out->len <= FILE_MAX)
        text_add(out, bytes_of(part, count));
    return !ferror(file);
}

static bool read_file(struct loaded *l, const char *path, struct text *code)
{
    FILE *file = fopen(path, "re");
    bool fine = file != NULL && read_all(file, code);
    int reason = errno;
    if (file != NULL)
        fclose(file);
    if (!fine)
        text_addf(l->error, "%s:0: %s", path, strerror(reason));
    else if (code->len > FILE_MAX)
        text_addf(l->error, "%s:0: The file is too large", path);
    return fine && code->len <= FILE_MAX;
}

static bool load_file(struct loaded *l, const char *path)
{
    struct text code = {0};
    char error[VM_ERROR_MAX];
    if (!read_file(l, path, &code)) {
        text_fini(&code);
        return false;
    }
    struct library *lib = function_load(l->functions, text_view(&code), true, error);
    text_fini(&code);
    if (lib == NULL)
        return fail_in_file(l->error, path, error);
    lib->file = mem_copy_text(path);
    if (l->count == l->room) {
        l->room = l->room == 0 ? 8 : l->room * 2;
        l->libs = mem_resize(l->libs, (size_t)l->room * sizeof *l->libs);
    }
    l->libs[l->count++] = lib;
    return true;
}

/* A pattern that matches nothing is fine, a file that is not there is not. */
static bool load_pattern(struct loaded *l, const char *pattern)
{
    glob_t found;
    bool fine = true;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; fine && i < found.gl_pathc; i++)
            fine = load_file(l, found.gl_pathv[i]);
        globfree(&found);
    } else if (strpbrk(pattern, "*?[") == NULL) {
        fine = load_file(l, pattern);
    }
    return fine;
}

/* -- putting in -------------------------------------------------------------------------------- */

/* Libraries that came from files before; the new ones are in already. */
static void drop_others(struct functions *f, const struct loaded *l, struct undo *undo)
{
    for (int i = functions_library_count(f); i-- > 0;) {
        struct library *lib = functions_library(f, i);
        bool is_new = lib->file == NULL;
        for (int j = 0; j < l->count && !is_new; j++)
            is_new = l->libs[j] == lib;
        if (!is_new)
            functions_drop(f, lib, undo);
    }
}

bool function_files_load(struct server *s, struct text *error)
{
    const struct words *patterns = &s->opt.load_functions;
    struct loaded l = {.functions = scripts_functions(s->scripts), .error = error};
    char why[VM_ERROR_MAX];
    bool fine = true;
    for (int i = 0; i < patterns->count && fine; i++)
        fine = load_pattern(&l, patterns->items[i]);
    if (fine && !functions_add(l.functions, l.libs, l.count, s->keys->undo, why))
        fine = fail_in_collision(&l, why);
    if (fine)
        drop_others(l.functions, &l, s->keys->undo);
    for (int i = 0; i < l.count && !fine; i++)
        library_destroy(l.libs[i]);
    mem_free(l.libs);
    return fine;
}
