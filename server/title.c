/*
 * title.c - the process's title.
 */
#include "server/title.h"

#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/server.h"

struct title {
    char *area; /* the kernel's memory of arguments and environment */
    size_t room;
    char **argv; /* owned copy */
};

/* -- the memory -------------------------------------------------------------------------------- */

/* The strings lie one behind the other, arguments first: count how far that holds. */
static size_t area_of(int argc, char **argv)
{
    char *end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; i++)
        end += strlen(argv[i]) + 1;
    for (int i = 0; environ[i] != NULL && environ[i] == end; i++)
        end += strlen(environ[i]) + 1;
    return (size_t)(end - argv[0]);
}

/* The environment is read as long as the process lives, so that its copies are never freed. */
static void move_environment(void)
{
    for (int i = 0; environ[i] != NULL; i++)
        environ[i] = mem_copy_text(environ[i]);
}

struct title *title_create(int argc, char ***argv)
{
    if (argc == 0)
        return NULL;
    char **old = *argv;
    struct title *t = mem_alloc(sizeof *t);
    t->area = old[0];
    t->room = area_of(argc, old);
    t->argv = mem_alloc_zeroed(((size_t)argc + 1) * sizeof *t->argv);
    for (int i = 0; i < argc; i++)
        t->argv[i] = mem_copy_text(old[i]);
    move_environment();
    *argv = t->argv;
    return t;
}

void title_destroy(struct title *t)
{
    if (t == NULL)
        return;
    for (int i = 0; t->argv[i] != NULL; i++)
        mem_free(t->argv[i]);
    mem_free(t->argv);
    mem_free(t);
}

void title_show(struct title *t, const char *text)
{
    size_t len = strlen(text);
    if (len >= t->room)
        len = t->room - 1;
    memcpy(t->area, text, len);
    memset(t->area + len, 0, t->room - len);
}

/* -- the template ------------------------------------------------------------------------------ */

static const char *value_of(const struct title_variable *variables, struct bytes name)
{
    for (; variables->name != NULL; variables++)
        if (bytes_equal(name, bytes_of_text(variables->name)))
            return variables->value;
    return NULL;
}

bool title_expand(const char *template, const struct title_variable *variables, struct text *out)
{
    for (const char *at = template; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        text_add(out, bytes_of(at, plain));
        at += plain;
        if (*at == '\0')
            return true;
        if (at[1] == '{') {
            text_add(out, bytes_of(at, 1));
            at += 2;
            continue;
        }
        size_t len = strcspn(at + 1, "}");
        const char *value = value_of(variables, bytes_of(at + 1, len));
        if (at[1 + len] == '\0' || value == NULL)
            return false;
        text_add(out, bytes_of_text(value));
        at += len + 2;
    }
    return true;
}

bool title_is_valid(const char *template)
{
    static const struct title_variable names[] = {
        {"title", ""},    {"listen-addr", ""}, {"server-mode", ""}, {"port", ""},
        {"tls-port", ""}, {"unixsocket", ""},  {"config-file", ""}, {NULL, NULL},
    };
    struct text out = {0};
    bool valid = title_expand(template, names, &out);
    text_fini(&out);
    return valid;
}

/* "127.0.0.1:6379", or the Unix socket if there is no TCP. */
static void add_listen_address(const struct server *s, struct text *out)
{
    const struct options *opt = &s->opt;
    if (opt->port == 0) {
        text_add(out, bytes_of_text(opt->unixsocket));
        return;
    }
    const char *host = opt->bind.count > 0 ? opt->bind.items[0] : "*";
    text_addf(out, "%s:%d", host[0] == '-' ? host + 1 : host, (int)opt->port);
}

/* Variables that are empty at the end leave spaces behind. */
static void trim(struct text *t)
{
    while (t->len > 0 && t->data[t->len - 1] == ' ')
        t->data[--t->len] = '\0';
}

void title_refresh(struct server *s)
{
    if (s->title == NULL || !s->opt.set_proc_title)
        return;
    struct text address = {0}, title = {0};
    char port[24], tls_port[24];
    snprintf(port, sizeof port, "%d", (int)s->opt.port);
    snprintf(tls_port, sizeof tls_port, "%d", (int)s->opt.tls_port);
    add_listen_address(s, &address);
    const struct title_variable variables[] = {
        {"title", s->title->argv[0]},
        {"listen-addr", address.data != NULL ? address.data : ""},
        {"server-mode", ""}, /* said only by what is no plain server: a cluster's node, later */
        {"port", port},
        {"tls-port", tls_port},
        {"unixsocket", s->opt.unixsocket},
        {"config-file", s->config_file != NULL ? s->config_file : ""},
        {NULL, NULL},
    };
    if (title_expand(s->opt.proc_title_template, variables, &title) && title.len > 0) {
        trim(&title);
        title_show(s->title, title.data);
    }
    text_fini(&title);
    text_fini(&address);
}
