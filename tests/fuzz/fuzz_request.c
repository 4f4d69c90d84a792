/*
 * fuzz_request.c - the request parser fed with anything, cut anywhere.
 *
 * The first bytes of the input choose the limits and the cuts, the rest is what a client sends. It
 * is parsed twice, once in pieces and once all at hand, and both must find the same requests and
 * the same error; large bulks are supplied from outside in the first run. Each feed sees a block of
 * its own that ends where the fed bytes end, so the address sanitizer notices one byte too far.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "protocol/request.h"

enum { CUTS = 4 };

struct outcome {
    uint64_t digest;
    uint32_t requests, args;
    bool is_broken;
    char error[sizeof((struct request_parser *)NULL)->error];
};

static void require(bool promise)
{
    if (!promise)
        abort();
}

static void note(struct outcome *o, const void *ptr, size_t len)
{
    const unsigned char *bytes = ptr;
    for (size_t i = 0; i < len; i++)
        o->digest = (o->digest ^ bytes[i]) * 0x100000001b3; /* FNV-1a */
}

static void note_request(struct outcome *o, struct arg_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        note(o, &list->args[i].len, sizeof list->args[i].len);
        note(o, list->args[i].ptr, list->args[i].len);
    }
    o->requests++;
    o->args += list->count;
    note(o, &o->args, sizeof o->args);
    list->count = 0;
}

/* One connection: data holds the current request's bytes, next is where the rest of the input
 * starts. */
struct feeder {
    struct bytes input;
    size_t next;
    char *data;
    size_t len;
    const unsigned char *cuts; /* NULL: all at once */
    uint32_t turn;
    struct request_parser parser;
};

static void take_piece(struct feeder *f)
{
    size_t left = f->input.len - f->next, piece = left;
    if (f->cuts != NULL) {
        size_t cut = f->cuts[f->turn++ % CUTS];
        cut = cut * cut + 1; /* often small, sometimes a large bulk's size */
        piece = cut < left ? cut : left;
    }
    memcpy(f->data + f->len, f->input.ptr + f->next, piece);
    f->len += piece;
    f->next += piece;
}

/* A large bulk is under way: hand it over where it lies in the input, if it is there wholly. */
static void supply(struct feeder *f)
{
    size_t at = f->next - f->parser.big_have, big_len = f->parser.big_len;
    require(f->parser.big_at + f->parser.big_have == f->len && big_len >= REQUEST_BIG_BULK);
    if (f->cuts == NULL || big_len > f->input.len - at)
        return;
    f->len = f->parser.big_at;
    f->next = at + big_len;
    request_supply(&f->parser, f->input.ptr + at);
}

static enum request_step feed_copy(struct feeder *f, const struct request_limits *limits,
                                   struct outcome *o)
{
    struct arg_list list = {0};
    size_t eaten;
    char *copy = mem_alloc(f->len + 1);
    memcpy(copy + 1, f->data, f->len);
    enum request_step step = request_feed(&f->parser, copy + 1, f->len, limits, &list, &eaten);
    if (step == REQUEST_READY) {
        require(eaten > 0 && eaten <= f->len);
        note_request(o, &list);
        f->len -= eaten;
        memmove(f->data, f->data + eaten, f->len);
    } else {
        require(list.count == 0 && eaten == 0);
    }
    mem_free(copy);
    arg_list_fini(&list);
    return step;
}

static struct outcome run(struct bytes input, const struct request_limits *limits,
                          const unsigned char *cuts)
{
    struct feeder f = {.input = input, .cuts = cuts, .data = mem_alloc(input.len + 1)};
    struct outcome o = {0};
    enum request_step step = REQUEST_READY;
    while (step != REQUEST_BROKEN && (step == REQUEST_READY || f.next < input.len)) {
        if (step == REQUEST_MORE && f.parser.big_len > 0)
            supply(&f);
        if (step == REQUEST_MORE || f.len == 0)
            take_piece(&f);
        step = feed_copy(&f, limits, &o);
    }
    o.is_broken = step == REQUEST_BROKEN;
    memcpy(o.error, f.parser.error, sizeof o.error);
    request_parser_fini(&f.parser);
    mem_free(f.data);
    return o;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 1 + CUTS)
        return 0;
    struct request_limits limits = {1 << 20, 1 << 20, data[0] & 1};
    struct bytes input = bytes_of(data + 1 + CUTS, size - 1 - CUTS);
    struct outcome cut = run(input, &limits, data + 1), whole = run(input, &limits, NULL);
    if (strstr(cut.error, "too big") != NULL)
        return 0; /* a long line is refused only if its end does not come with it */
    require(cut.is_broken == whole.is_broken && cut.digest == whole.digest);
    require(cut.requests == whole.requests && cut.args == whole.args);
    require(strcmp(cut.error, whole.error) == 0);
    return 0;
}
