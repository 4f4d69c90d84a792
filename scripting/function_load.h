/*
 * function_load.h - what running a library's code takes; for functions.c only.
 */
#ifndef REDOUBT_SCRIPTING_FUNCTION_LOAD_H
#define REDOUBT_SCRIPTING_FUNCTION_LOAD_H

#include "scripting/functions.h"

/* Opens what functions find, and beside it the little that a library finds while it loads. */
vm_open function_load_open;
/* The library's name from the first line; *body is what follows, with its line break. False: error.
 */
bool function_load_header(struct bytes code, char **name, struct bytes *body,
                          char error[VM_ERROR_MAX]);
/* Letters, digits and underscores, one at least. */
bool function_name_is_valid(struct bytes name);
/* Run body, which registers functions for lib. */
bool function_load_run(struct vm *vm, struct bytes body, struct library *lib,
                       char error[VM_ERROR_MAX]);

#endif
