/*
 * docs.h - the grammar in which a command's row describes its arguments, and COMMAND DOCS from it.
 *
 *   item     := name [':' type] ['=' TOKEN] marks            an argument; type defaults to string
 *             | name ['=' TOKEN] '(' item '|' item ... ')' marks     oneof
 *             | name ['=' TOKEN] '{' item item ... '}' marks         block
 *   marks    := ['#' key spec index] ['?' optional] ['*' multiple] ['+' multiple with the token repeated]
 *               ['@' since] ['!' deprecated since] ['~' display text]
 *   types    := key | string | integer | double | pattern | unix-time | token  (token: the TOKEN alone)
 *
 * Items are separated by spaces. "key:key#0 value condition(nx:token=NX|xx:token=XX)?@2.6.12 get:token=GET?@6.2.0".
 */
#ifndef REDOUBT_SERVER_DOCS_H
#define REDOUBT_SERVER_DOCS_H

#include "server/call.h"

struct command;
/* Write the "arguments" array of COMMAND DOCS. */
void docs_reply_arguments(struct reply *r, const char *args);
/* Check the text without writing (a test walks all rows). NULL: fine; else where it goes wrong. */
const char *docs_check_arguments(const char *args);
/* How many top-level arguments. */
int docs_count_arguments(const char *args);

#endif
