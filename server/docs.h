/*
 * docs.h - the grammar in which a command's row describes its arguments, and COMMAND DOCS from it.
 *
 *   items    := item ' ' item ...
 *   item     := name [':' type] ['=' word] marks                        type defaults to string
 *             | name ['=' word] '(' item '|' item ... ')' marks         oneof
 *             | name ['=' word] '{' items '}' marks                     block
 *   marks    := ['#' index of the key specification] ['?' optional]
 *               ['*' multiple | '+' multiple, each with its token] ['@' since] ['!' deprecated
 * since]
 *               ['~' word: display text, where it is not the name]
 *   type     := key | string | integer | double | pattern | unix-time | token (the word alone)
 *   word     := bare (what a name may hold, and '.') | quoted ('...', without a quote inside)
 *   name     := letters, digits, '-' and '_'
 *
 * '=' gives the token that introduces an argument. For example SET begins
 * "key:key#0 value condition(nx:token=NX|xx:token=XX)?@2.6.12 get:token=GET?@6.2.0", and XADD has
 * "operator(equal:token='='|approximately:token='~')?".
 */
#ifndef REDOUBT_SERVER_DOCS_H
#define REDOUBT_SERVER_DOCS_H

#include "protocol/reply.h"

/* Write the "arguments" array of COMMAND DOCS. The text is one that docs_check_arguments() finds
 * nothing wrong in. */
void docs_reply_arguments(struct reply *r, const char *args);
/* Check the text without writing (a test walks all rows). NULL: fine; else where it goes wrong. */
const char *docs_check_arguments(const char *args);
/* How many top-level arguments. */
int docs_count_arguments(const char *args);

#endif
