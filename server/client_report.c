/*
 * client_report.c - a client as a line of CLIENT LIST.
 *
 * Fields and their order are Redis 7.4's; tools split the line by them. What Redis has and we do
 * not (a fixed reply buffer) is mapped to what comes nearest: the first chunk of the waiting reply
 * stands for the buffer (rbs, rbp, obl), the chunks behind it for the list (oll, omem).
 */
#include "server/client_report.h"

#include "server/client.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/transaction.h"

enum { FLAGS_MAX = 16 };

static int tracking_letters(const struct tracker *t, char *out)
{
    int len = 0;
    out[len++] = 't';
    if (t->flags & TRACKING_BROKEN)
        out[len++] = 'R';
    if (t->flags & TRACKING_BCAST)
        out[len++] = 'B';
    return len;
}

static void format_flags(const struct client *c, char out[FLAGS_MAX])
{
    static const struct {
        uint32_t flag;
        char letter;
    } letters[] = {
        {CLIENT_MONITOR, 'O'},
        {CLIENT_MULTI, 'x'},
        {CLIENT_BLOCKED | CLIENT_PAUSED, 'b'},
        {CLIENT_CLOSE_AFTER_REPLY, 'c'},
        {CLIENT_CLOSE_NOW, 'A'},
        {CLIENT_UNIX_SOCKET, 'U'},
        {CLIENT_NO_EVICT, 'e'},
        {CLIENT_NO_TOUCH, 'T'},
    };
    struct txlog_obstacle obstacle;
    int len = 0;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (letters[i].letter == 'x' && c->subscriptions != NULL)
            out[len++] = 'P';
        if (letters[i].letter == 'c' && c->tracker != NULL)
            len += tracking_letters(c->tracker, out + len);
        if (letters[i].letter == 'c' && transaction_obstacle(c, &obstacle))
            out[len++] = 'd'; /* EXEC will find a watched key changed */
        if ((c->flags & letters[i].flag) != 0)
            out[len++] = letters[i].letter;
    }
    if (len == 0)
        out[len++] = 'N';
    out[len] = '\0';
}

struct output {
    size_t buffer_room, buffer_bytes; /* of the first chunk */
    size_t list_length, list_memory;  /* behind it */
};

static struct output measure_output(const struct reply *r)
{
    struct output o = {0};
    const struct reply_chunk *first = r->first;
    if (first == NULL)
        return o;
    o.buffer_room = first->room;
    o.buffer_bytes = first == r->last ? reply_bytes(r) : first->len;
    for (const struct reply_chunk *chunk = first->next; chunk != NULL; chunk = chunk->next)
        o.list_length++;
    if (o.list_length > 0)
        o.list_memory = reply_memory(r) - first->room;
    return o;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void report_identity(const struct client *c, struct text *out)
{
    char flags[FLAGS_MAX];
    int64_t now_ms = c->server->keys->now_ms;
    format_flags(c, flags);
    text_addf(out, "id=%llu addr=%s", (unsigned long long)c->id, client_address(c));
    /* Two borrowed addresses are not used in one call: they might share a buffer. */
    text_addf(out, " laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=%d",
              client_local_address(c), client_fd(c), text_or_empty(c->name),
              (long long)((now_ms - c->created_ms) / 1000),
              (long long)((now_ms - c->active_ms) / 1000), flags, c->db);
}

static void report_state(const struct client *c, struct text *out)
{
    const struct transaction *t = c->transaction;
    bool in_multi = t != NULL && (c->flags & CLIENT_MULTI) != 0;
    text_addf(out, " sub=%llu psub=%llu ssub=%llu",
              (unsigned long long)pubsub_count_of(c, PUBSUB_CHANNEL),
              (unsigned long long)pubsub_count_of(c, PUBSUB_PATTERN),
              (unsigned long long)pubsub_count_of(c, PUBSUB_SHARD));
    text_addf(out, " multi=%lld watch=%u qbuf=%zu qbuf-free=%zu",
              in_multi ? (long long)t->count : -1, t != NULL ? t->watch_count : 0,
              client_input_bytes(c), client_input_room(c));
    text_addf(out, " argv-mem=%zu multi-mem=%zu", c->argument_memory, transaction_memory(c));
}

static void report_output(const struct client *c, const struct client *asking, struct text *out)
{
    struct output o = measure_output(&c->reply);
    bool waits = c != asking && reply_bytes(&c->reply) > 0;
    text_addf(out, " rbs=%zu rbp=%zu obl=%zu oll=%zu omem=%zu tot-mem=%zu events=%s", o.buffer_room,
              o.buffer_bytes, o.buffer_bytes, o.list_length, o.list_memory, client_memory(c),
              waits ? "rw" : "r");
}

void client_report(const struct client *c, const struct client *asking, struct text *out)
{
    report_identity(c, out);
    report_state(c, out);
    report_output(c, asking, out);
    int64_t redirect = c->tracker != NULL ? (int64_t)c->tracker->redirect : -1;
    text_addf(out, " cmd=%s user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
              c->last_command != NULL ? c->last_command->full_name : "NULL", c->user,
              (long long)redirect, c->reply.resp, text_or_empty(c->lib_name),
              text_or_empty(c->lib_version));
}
