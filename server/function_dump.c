/*
 * function_dump.c - a library is saved as its code, and made from it again.
 */
#include "server/function_dump.h"

#include "scripting/functions.h"
#include "server/scripts.h"
#include "server/server.h"
#include "storage/snapshot/rdb.h"

void function_dump_write(const struct functions *f, struct rdb_writer *w)
{
    for (int i = 0; i < functions_library_count(f); i++) {
        rdb_write_byte(w, RDB_OP_FUNCTION);
        rdb_write_string(w, functions_library(f, i)->code);
    }
}

bool function_dump_take(struct server *s, struct bytes code, bool merge, struct text *error)
{
    char why[VM_ERROR_MAX];
    struct functions *f = scripts_functions(s->scripts);
    struct library *lib = function_load(f, code, merge, why);
    if (lib != NULL && functions_add(f, &lib, 1, s->keys->undo, why))
        return true;
    if (lib != NULL)
        library_destroy(lib);
    text_addf(error, "%s", why);
    return false;
}
