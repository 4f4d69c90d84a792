/*
 * dry_run.c - running a script in a section that is always taken back.
 *
 * What the script would have changed is what waits in the section to be announced. An event that
 * only notifications are interested in waits there only if somebody listens, so for a dry run
 * somebody does; he hears nothing, since nothing is told.
 */
#include "server/dry_run.h"

#include "server/server.h"
#include "storage/keyspace_news.h"

struct changes {
    struct reply *reply;
    int64_t count;
};

static void reply_change(void *context, int db, struct bytes key, const char *event)
{
    struct changes *c = context;
    reply_array(c->reply, 3);
    reply_bulk(c->reply, key);
    reply_bulk_text(c->reply, event);
    reply_int(c->reply, db);
    c->count++;
}

static void hear_nothing(void *context, int db, struct bytes key, enum event_class class,
                         const char *event)
{
    (void)context, (void)db, (void)key, (void)class, (void)event;
}

void dry_run(struct call *call, const struct script_job *job)
{
    struct keyspace *ks = call->keys;
    struct undo_section section = undo_begin(ks);
    bool was_unheard = ks->hooks.event == NULL;
    if (was_unheard)
        ks->hooks.event = hear_nothing;
    reply_map(call->reply, 2);
    reply_bulk_text(call->reply, "result");
    struct script_job trial = *job;
    trial.is_trial = true;
    script_run(call, &trial);
    reply_bulk_text(call->reply, "changes");
    struct changes changes = {.reply = call->reply};
    struct reply_mark mark = reply_mark(call->reply);
    keyspace_news_each(ks, section, reply_change, &changes);
    reply_array_at(call->reply, mark, changes.count);
    undo_rollback(ks, section);
    if (was_unheard)
        ks->hooks.event = NULL;
}
