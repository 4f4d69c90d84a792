/*
 * compare.c - compare-and-set for strings, in the words of Redis 8.4 and of Valkey 9.
 *
 * A value is compared itself, or by its digest: XXH3's 64 bits as 16 hexadecimal digits, so that a
 * client need not send a long value back to say which one it has seen.
 */
#include "server/commands/compare.h"

#include <ctype.h>
#include <stdio.h>
#include <xxhash.h>

#include "server/command.h"
#include "server/commands/keys.h"
#include "storage/string.h"

enum { DIGEST_DIGITS = 16 };

static void digest(const struct entry *e, char out[DIGEST_DIGITS + 1])
{
    char scratch[NUMBER_TEXT_MAX];
    struct bytes value = string_view(e, scratch);
    snprintf(out, DIGEST_DIGITS + 1, "%016llx",
             (unsigned long long)XXH3_64bits(value.ptr, value.len));
}

static bool is_digest(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isxdigit((unsigned char)text.ptr[i]))
            return false;
    }
    return text.len == DIGEST_DIGITS;
}

static bool equals_value(const struct entry *e, struct bytes value)
{
    char scratch[NUMBER_TEXT_MAX];
    return bytes_equal(string_view(e, scratch), value);
}

static bool equals_digest(const struct entry *e, struct bytes text)
{
    char own[DIGEST_DIGITS + 1];
    digest(e, own);
    return bytes_is_word(text, own);
}

bool compare_or_reply(struct call *call, const struct entry *e, const struct string_options *o,
                      bool *met)
{
    *met = true;
    if (!(o->given & OPTS_COMPARE))
        return true;
    enum string_option option = OPT_IFEQ;
    while (!string_options_has(o, option))
        option++;
    *met = option == OPT_IFNE || option == OPT_IFDNE;
    if (e == NULL)
        return true;
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return false;
    struct bytes wanted = call->argv[o->value[option]];
    bool by_value = option == OPT_IFEQ || option == OPT_IFNE;
    if (!by_value && !is_digest(wanted)) {
        reply_error(call->reply, "ERR must be exactly 16 hexadecimal characters");
        return false;
    }
    if (by_value ? equals_value(e, wanted) : equals_digest(e, wanted))
        *met = !*met;
    return true;
}

static void cmd_digest(struct call *call)
{
    struct entry *e = call_find(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    if (e == NULL) {
        reply_null(call->reply);
        return;
    }
    char text[DIGEST_DIGITS + 1];
    digest(e, text);
    reply_bulk_text(call->reply, text);
}

/* DELEX's checks, in the order in which Redis makes them: an absent key comes before everything. */
static bool delex_condition_or_reply(struct call *call, const struct entry *e, bool *met)
{
    struct string_options o;
    if (call->argc > 2 && entry_type(e) != TYPE_STRING) {
        reply_error(call->reply, "ERR Key should be of string type if conditions are specified");
        return false;
    }
    if (call->argc != 2 && call->argc != 4) {
        reply_arity_error(call);
        return false;
    }
    if (!string_options_parse(call->argv, call->argc, 2, OPTS_COMPARE, &o)) {
        reply_error(call->reply, "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
        return false;
    }
    return compare_or_reply(call, e, &o, met);
}

static void cmd_delex(struct call *call)
{
    struct entry *e = call_find_for_write(call, 1);
    bool met = false;
    if (e != NULL && !delex_condition_or_reply(call, e, &met))
        return;
    if (met)
        key_delete(call, call_key(call, 1), call->keys->lazy_user_del);
    reply_int(call->reply, met);
}

static void cmd_delifeq(struct call *call)
{
    struct entry *e = call_find_for_write(call, 1);
    if (!call_type_or_reply(call, e, TYPE_STRING))
        return;
    bool met = e != NULL && equals_value(e, call->argv[2]);
    if (met)
        key_delete(call, call_key(call, 1), call->keys->lazy_user_del);
    reply_int(call->reply, met);
}

/* Without a condition DELEX reads nothing. */
static int delex_keys(const struct bytes *argv, int argc, struct key_position *out, int room)
{
    (void)argv;
    if (room > 0)
        out[0] = (struct key_position){1, (argc > 2 ? KEY_RW : KEY_RM) | KEY_DELETE};
    return 1;
}

const struct command compare_commands[] = {
    {
        .name = "digest",
        .run = cmd_digest,
        .arity = 2,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RO | KEY_ACCESS, .first = 1}),
        .group = "string",
        .since = "8.4.0",
        .summary = "Returns the XXH3 digest of the string at a key in hexadecimal.",
        .complexity = "O(N) with a string of N bytes.",
        .args = "key:key#0",
    },
    {
        .name = "delex",
        .run = cmd_delex,
        .arity = -2,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_DELETE | KEY_VARIABLE_FLAGS, .first = 1}),
        .get_keys = delex_keys,
        .group = "string",
        .since = "8.4.0",
        .summary = "Deletes a key if its string, or the digest of it, meets a condition.",
        .complexity = "O(1), O(N) for a digest of a string of N bytes.",
        .args = "key:key#0 condition(ifeq-value=IFEQ|ifne-value=IFNE|ifdeq-digest=IFDEQ|"
                "ifdne-digest=IFDNE)?",
    },
    {
        .name = "delifeq",
        .run = cmd_delifeq,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_STRING,
        KEYS({KEY_RW | KEY_DELETE, .first = 1}),
        .group = "string",
        .since = "7.4.0",
        .summary = "Deletes a key if its string equals the given one.",
        .complexity = "O(1)",
        .args = "key:key#0 value",
    },
    {0},
};
