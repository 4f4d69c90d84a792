/*
 * redact.c - which arguments are secrets.
 *
 * Rules err on the side of hiding: a request that is malformed may hide more than a well-formed
 * one, never less.
 */
#include "server/redact.h"

static bool auth_hides(const struct bytes *argv, int argc, int i)
{
    (void)argv;
    (void)argc;
    return i >= 1;
}

/* Users' names and rules. */
static bool acl_hides(const struct bytes *argv, int argc, int i)
{
    (void)argv;
    (void)argc;
    return i >= 2;
}

/* HELLO 3 AUTH user password SETNAME name: AUTH may be given more than once, also as a name. */
static bool hello_hides(const struct bytes *argv, int argc, int i)
{
    int at = 2;
    while (at < argc && at < i) {
        if (bytes_is_word(argv[at], "auth")) {
            if (i <= at + 2)
                return true;
            at += 3;
        } else if (bytes_is_word(argv[at], "setname")) {
            at += 2;
        } else {
            at++;
        }
    }
    return false;
}

/* CONFIG SET name value name value ... */
static bool config_set_hides(const struct bytes *argv, int argc, int i)
{
    static const char *const secrets[] = {"requirepass", "masterauth", "masteruser",
                                          "tls-key-file-pass", "tls-client-key-file-pass"};
    (void)argc;
    if (i < 3 || i % 2 == 0)
        return false;
    for (size_t s = 0; s < sizeof(secrets) / sizeof(secrets[0]); s++) {
        if (bytes_is_word(argv[i - 1], secrets[s]))
            return true;
    }
    return false;
}

/* MIGRATE host port key db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS
 * ...] */
static bool migrate_hides(const struct bytes *argv, int argc, int i)
{
    for (int at = 6; at < argc && at < i; at++) {
        if (bytes_is_word(argv[at], "keys"))
            return false;
        if (bytes_is_word(argv[at], "auth") && i == at + 1)
            return true;
        if (bytes_is_word(argv[at], "auth2") && i <= at + 2)
            return true;
    }
    return false;
}

redact_rule *redact_rule_of(const struct command_slot *command)
{
    static const struct {
        const char *name;
        redact_rule *rule;
    } rules[] = {
        {"auth", auth_hides},       {"hello", hello_hides},     {"config|set", config_set_hides},
        {"migrate", migrate_hides}, {"acl|setuser", acl_hides}, {"acl|getuser", acl_hides},
        {"acl|deluser", acl_hides},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (strcmp(rules[i].name, command->full_name) == 0)
            return rules[i].rule;
    }
    return NULL;
}

struct bytes redact_argument(redact_rule *rule, const struct bytes *argv, int argc, int i)
{
    return rule != NULL && rule(argv, argc, i) ? bytes_of_text("(redacted)") : argv[i];
}
