/*
 * tracking.c - CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR. Their rows are among CLIENT's.
 */
#include "server/commands/tracking.h"

#include "base/memory.h"
#include "server/client.h"
#include "server/tracking.h"

struct request {
    uint32_t flags;
    int64_t redirect;
    struct bytes *prefixes; /* owned; views of the arguments */
    int prefix_count;
};

/* -- CLIENT TRACKING's options ----------------------------------------------------------------- */

static bool redirect_or_reply(struct call *call, int i, struct request *req)
{
    if (req->redirect != 0) {
        reply_error(call->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!call_i64_or_reply(call, i, &req->redirect, NULL))
        return false;
    /* One that goes between now and the first word is found out then. */
    if (client_by_id(call->server, (uint64_t)req->redirect) != NULL)
        return true;
    reply_error(call->reply, "ERR The client ID you want redirect to does not exist");
    return false;
}

static bool options_or_reply(struct call *call, struct request *req)
{
    static const struct {
        const char *word;
        enum tracking_flag flag;
    } modes[] = {{"bcast", TRACKING_BCAST},
                 {"optin", TRACKING_OPTIN},
                 {"optout", TRACKING_OPTOUT},
                 {"noloop", TRACKING_NOLOOP}};
    for (int i = 3; i < call->argc; i++) {
        struct bytes word = call->argv[i];
        bool has_more = i + 1 < call->argc;
        size_t mode = 0;
        while (mode < 4 && !bytes_is_word(word, modes[mode].word))
            mode++;
        if (mode < 4) {
            req->flags |= modes[mode].flag;
        } else if (bytes_is_word(word, "redirect") && has_more) {
            if (!redirect_or_reply(call, ++i, req))
                return false;
        } else if (bytes_is_word(word, "prefix") && has_more) {
            req->prefixes[req->prefix_count++] = call->argv[++i];
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* What does not go together, or with what the client has asked for before. */
static const char *find_conflict(const struct request *req, const struct tracker *t)
{
    uint32_t flags = req->flags, before = t != NULL ? t->flags : flags;
    const uint32_t opt = TRACKING_OPTIN | TRACKING_OPTOUT;
    if (!(flags & TRACKING_BCAST) && req->prefix_count > 0)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if ((flags ^ before) & TRACKING_BCAST)
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    if (flags & TRACKING_BCAST && flags & opt)
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if ((flags & opt) == opt)
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (((flags | before) & opt) == opt)
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    return NULL;
}

static bool overlap(struct bytes a, struct bytes b)
{
    return memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len) == 0;
}

static bool collides(struct call *call, struct bytes prefix, struct bytes other, const char *which)
{
    if (!overlap(prefix, other))
        return false;
    reply_errorf(call->reply,
                 "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
                 "must not overlap.",
                 (int)prefix.len, prefix.ptr, which, (int)other.len, other.ptr);
    return true;
}

static bool distinct_or_reply(struct call *call, const struct request *req)
{
    const struct tracker *t = call->client->tracker;
    for (int i = 0; i < req->prefix_count; i++) {
        for (uint32_t k = 0; t != NULL && k < t->prefix_count; k++)
            if (collides(call, req->prefixes[i], t->prefixes[k], "an existing"))
                return false;
        for (int k = i + 1; k < req->prefix_count; k++)
            if (collides(call, req->prefixes[i], req->prefixes[k], "another provided"))
                return false;
    }
    return true;
}

static void start_or_reply(struct call *call, const struct request *req)
{
    const char *conflict = find_conflict(req, call->client->tracker);
    if (conflict != NULL) {
        reply_error(call->reply, conflict);
        return;
    }
    if (req->flags & TRACKING_BCAST && !distinct_or_reply(call, req))
        return;
    tracking_start(call->client, req->flags, (uint64_t)req->redirect, req->prefixes,
                   req->prefix_count);
    reply_ok(call->reply);
}

void cmd_client_tracking(struct call *call)
{
    struct request req = {.prefixes = mem_alloc((size_t)call->argc * sizeof(struct bytes))};
    if (options_or_reply(call, &req)) {
        if (bytes_is_word(call->argv[2], "on")) {
            start_or_reply(call, &req);
        } else if (bytes_is_word(call->argv[2], "off")) {
            tracking_stop(call->client);
            reply_ok(call->reply);
        } else {
            reply_syntax_error(call);
        }
    }
    mem_free(req.prefixes);
}

/* -- the others -------------------------------------------------------------------------------- */

void cmd_client_caching(struct call *call)
{
    struct tracker *t = call->client->tracker;
    bool yes = bytes_is_word(call->argv[2], "yes");
    if (t == NULL) {
        reply_error(call->reply, "ERR CLIENT CACHING can be called only when the client is in "
                                 "tracking mode with OPTIN or OPTOUT mode enabled");
    } else if (!yes && !bytes_is_word(call->argv[2], "no")) {
        reply_syntax_error(call);
    } else if (!(t->flags & (yes ? TRACKING_OPTIN : TRACKING_OPTOUT))) {
        reply_errorf(call->reply,
                     "ERR CLIENT CACHING %s is only valid when tracking is enabled in %s mode.",
                     yes ? "YES" : "NO", yes ? "OPTIN" : "OPTOUT");
    } else {
        t->flags |= TRACKING_CACHING;
        reply_ok(call->reply);
    }
}

void cmd_client_getredir(struct call *call)
{
    const struct tracker *t = call->client->tracker;
    reply_int(call->reply, t != NULL ? (int64_t)t->redirect : -1);
}

static int flag_words(const struct tracker *t, const char *words[8])
{
    int count = 0;
    if (t == NULL) {
        words[count++] = "off";
        return count;
    }
    words[count++] = "on";
    if (t->flags & TRACKING_BCAST)
        words[count++] = "bcast";
    if (t->flags & TRACKING_OPTIN) {
        words[count++] = "optin";
        if (t->flags & TRACKING_CACHING)
            words[count++] = "caching-yes";
    }
    if (t->flags & TRACKING_OPTOUT) {
        words[count++] = "optout";
        if (t->flags & TRACKING_CACHING)
            words[count++] = "caching-no";
    }
    if (t->flags & TRACKING_NOLOOP)
        words[count++] = "noloop";
    if (t->flags & TRACKING_BROKEN)
        words[count++] = "broken_redirect";
    return count;
}

void cmd_client_trackinginfo(struct call *call)
{
    const struct tracker *t = call->client->tracker;
    struct reply *r = call->reply;
    const char *words[8];
    int count = flag_words(t, words);
    reply_map(r, 3);
    reply_bulk_text(r, "flags");
    reply_set(r, count);
    for (int i = 0; i < count; i++)
        reply_bulk_text(r, words[i]);
    reply_bulk_text(r, "redirect");
    reply_int(r, t != NULL ? (int64_t)t->redirect : -1);
    reply_bulk_text(r, "prefixes");
    reply_array(r, t != NULL ? t->prefix_count : 0);
    for (uint32_t i = 0; t != NULL && i < t->prefix_count; i++)
        reply_bulk(r, t->prefixes[i]);
}
