/*
 * config_file.c - reading the configuration: files, standard input, arguments.
 *
 * All sources become text of one form: a directive and its words on each line, quoted as in inline
 * commands, lines that begin with # skipped. The arguments are turned into such a text, so that
 * they follow the same rules.
 */
#include "server/config_file.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/quote.h"
#include "protocol/request.h"
#include "server/version.h"

enum { INCLUDE_DEPTH = 16 };

/* Directives of older versions that are passed over. */
static const char *const retired[] = {"list-max-ziplist-entries", "list-max-ziplist-value"};

struct source {
    struct options *options;
    struct text *error;
    const char *name; /* for messages */
    int depth;        /* of includes */
    int line;
    struct bytes line_text;
};

static bool read_file(const struct source *from, const char *path);

static bool fail(const struct source *from, const char *message)
{
    text_addf(from->error,
              "\n*** FATAL CONFIG FILE ERROR (Redis " REDIS_VERSION ") ***\n"
              "Reading the configuration file, at line %d of %s\n>>> '%.*s'\n%s\n",
              from->line, from->name, (int)from->line_text.len, from->line_text.ptr, message);
    return false;
}

static bool include(const struct source *from, struct bytes word)
{
    glob_t found;
    char *pattern = mem_copy_bytes(word.ptr, word.len);
    int status = glob(pattern, 0, NULL, &found);
    bool fine = true;
    if (from->depth == INCLUDE_DEPTH)
        fine = fail(from, "Includes are nested too deeply");
    else if (status == 0)
        for (size_t i = 0; fine && i < found.gl_pathc; i++)
            fine = read_file(from, found.gl_pathv[i]);
    else if (strpbrk(pattern, "*?[") == NULL) /* a pattern that matches nothing is fine */
        fine = read_file(from, pattern);
    if (status == 0)
        globfree(&found);
    mem_free(pattern);
    return fine;
}

static bool is_retired(struct bytes name)
{
    for (size_t i = 0; i < sizeof retired / sizeof retired[0]; i++)
        if (bytes_is_word(name, retired[i]))
            return true;
    return false;
}

static bool apply_words(const struct source *from, const struct bytes *words, int count)
{
    if (bytes_is_word(words[0], "include") && count == 2)
        return include(from, words[1]);
    if (is_retired(words[0]) && count == 2)
        return true;
    if (bytes_is_word(words[0], "sentinel"))
        return fail(from, "sentinel directive while not in sentinel mode");
    enum option_id id = option_find(words[0]);
    if (id == OPTION_COUNT || ((option_at(id)->flags & OPTION_FILE_ONLY) && count == 1))
        return fail(from, "Bad directive or wrong number of arguments");
    struct option_error error;
    return options_load(from->options, id, words + 1, count - 1, &error) || fail(from, error.text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trim(struct bytes line)
{
    while (line.len > 0 && is_blank(line.ptr[0]))
        line = bytes_of(line.ptr + 1, line.len - 1);
    while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
        line.len--;
    return line;
}

static bool read_line(const struct source *from)
{
    if (from->line_text.len == 0 || from->line_text.ptr[0] == '#')
        return true;
    struct arg_list words = {0};
    char *line = mem_copy_bytes(from->line_text.ptr, from->line_text.len);
    bool fine = request_split_words(line, from->line_text.len, &words)
                    ? words.count == 0 || apply_words(from, words.args, (int)words.count)
                    : fail(from, "Unbalanced quotes in configuration line");
    arg_list_fini(&words);
    mem_free(line);
    return fine;
}

static bool read_text(struct source *from, struct bytes text)
{
    bool fine = true;
    while (fine && text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        from->line++;
        from->line_text = trim(bytes_of(text.ptr, len));
        fine = read_line(from);
        len += end != NULL;
        text = bytes_of(text.ptr + len, text.len - len);
    }
    return fine;
}

static bool read_stream(FILE *file, struct text *out)
{
    char part[4096];
    size_t len;
    while ((len = fread(part, 1, sizeof part, file)) > 0)
        text_add(out, bytes_of(part, len));
    return !ferror(file);
}

static bool read_file(const struct source *from, const char *path)
{
    FILE *file = fopen(path, "re");
    struct text text = {0};
    if (file == NULL || !read_stream(file, &text)) {
        text_addf(from->error,
                  "\n*** FATAL CONFIG FILE ERROR (Redis " REDIS_VERSION ") ***\n"
                  "can't open config file '%s': %s\n",
                  path, strerror(errno));
        if (file != NULL)
            fclose(file);
        text_fini(&text);
        return false;
    }
    fclose(file);
    struct source inner = {from->options, from->error, path, from->depth + 1, 0, {0}};
    bool fine = read_text(&inner, text_view(&text));
    text_fini(&text);
    return fine;
}

bool config_file_parse(struct options *o, const char *name, struct bytes text, struct text *error)
{
    struct source source = {o, error, name, 0, 0, {0}};
    return read_text(&source, text);
}

/* -- arguments --------------------------------------------------------------------------------- */

static bool is_directive(const char *argument)
{
    return strncmp(argument, "--", 2) == 0;
}

/* --name value value ... becomes a line. What follows a name that stands alone is its value, even
 * with -- before it, so that values may look like that; but --save needs none: then it means none.
 */
static void arguments_as_text(int count, char **arguments, struct text *out)
{
    bool needs_value = false;
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (needs_value || !is_directive(argument)) {
            text_addf(out, " ");
            quote_add(out, bytes_of_text(argument));
            needs_value = false;
            continue;
        }
        text_addf(out, "%s%s", out->len > 0 ? "\n" : "", argument + 2);
        needs_value = strchr(argument, ' ') == NULL;
        bool is_last = i + 1 == count || is_directive(arguments[i + 1]);
        if (strcasecmp(argument, "--save") == 0 && is_last) {
            text_addf(out, " \"\"");
            needs_value = false;
        }
    }
}

static bool check_together(const struct options *o, struct text *error)
{
    if (!o->cluster_enabled || o->replicaof[0] == '\0')
        return true;
    text_addf(error, "\n*** FATAL CONFIG FILE ERROR (Redis " REDIS_VERSION ") ***\n"
                     "replicaof directive not allowed in cluster mode\n");
    return false;
}

static bool read_stdin(struct options *o, struct text *error)
{
    struct text text = {0};
    bool fine = read_stream(stdin, &text) &&
                config_file_parse(o, "standard input", text_view(&text), error);
    text_fini(&text);
    return fine;
}

bool config_file_load(struct options *o, int argc, char **argv, char **path, struct text *error)
{
    int first = 1, last = argc;
    bool has_stdin = false, fine = true;
    *path = NULL;
    if (first < last && argv[first][0] != '-') {
        char *real = realpath(argv[first], NULL);
        *path = mem_copy_text(real != NULL ? real : argv[first]);
        free(real);
        struct source outside = {o, error, "", 0, 0, {0}};
        fine = read_file(&outside, argv[first++]);
    }
    if (first < last && strcmp(argv[first], "-") == 0) {
        has_stdin = true;
        first++;
    } else if (first < last && strcmp(argv[last - 1], "-") == 0) {
        has_stdin = true;
        last--;
    }
    if (fine && has_stdin)
        fine = read_stdin(o, error);
    struct text text = {0};
    arguments_as_text(last - first, argv + first, &text);
    fine = fine && config_file_parse(o, "the command line", text_view(&text), error) &&
           check_together(o, error);
    text_fini(&text);
    return fine;
}
