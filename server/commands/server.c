/*
 * server.c - whole databases, the time, and a drawing.
 */
#include <math.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "server/blocked.h"
#include "server/call.h"
#include "server/client.h"
#include "server/command.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/version.h"
#include "storage/undo.h"

static void cmd_time(struct call *call)
{
    int64_t now_us =
        call->client->conn != NULL ? clock_wall_us() : scripts_time(call->server->scripts);
    reply_array(call->reply, 2);
    reply_bulk_int(call->reply, now_us / 1000000);
    reply_bulk_int(call->reply, now_us % 1000000);
}

/* -- databases --------------------------------------------------------------------------------- */

static void cmd_dbsize(struct call *call)
{
    reply_int(call->reply, (int64_t)keyspace_size(call->keys, call->db));
}

/* [ASYNC|SYNC]. False: answered. */
static bool parse_flush_or_reply(struct call *call, bool *lazy)
{
    *lazy = call->server->opt.lazyfree_lazy_user_flush;
    if (call->argc == 1)
        return true;
    if (call->argc > 2) {
        reply_syntax_error(call);
        return false;
    }
    return call_flush_mode_or_reply(call, 1, lazy, "ERR syntax error");
}

/* False: answered with an error. Even SYNC leaves the work to the background thread: what is
 * synchronous is the reply. */
static bool flush(struct call *call, int db)
{
    bool lazy;
    if (!parse_flush_or_reply(call, &lazy))
        return false;
    bool waits = !lazy && blocked_may_wait(call);
    uint64_t removed = keyspace_flush(call->keys, db, lazy || waits);
    for (int i = 0; i < call->keys->db_count; i++)
        if (db < 0 || i == db)
            blocked_look_again(call->server, i);
    if (waits && removed > 0)
        blocked_wait_for_lazyfree(call, reply_ok);
    else
        reply_ok(call->reply);
    return true;
}

static void cmd_flushdb(struct call *call)
{
    flush(call, call->db);
}

/* What is being saved is gone, and where snapshots are wanted, so is what was saved. */
static void flush_snapshot(struct server *s)
{
    snapshot_kill_child(s);
    if (s->opt.save.count > 0 && !undo_is_open(s->keys->undo))
        snapshot_save(s);
}

static void cmd_flushall(struct call *call)
{
    if (flush(call, -1))
        flush_snapshot(call->server);
}

static void cmd_swapdb(struct call *call)
{
    const char *error[] = {"ERR invalid first DB index", "ERR invalid second DB index"};
    int64_t db[2];
    for (int i = 0; i < 2; i++)
        if (!call_range_or_reply(call, i + 1, INT32_MIN, INT32_MAX, &db[i], error[i]))
            return;
    for (int i = 0; i < 2; i++) {
        if (db[i] < 0 || db[i] >= call->keys->db_count) {
            reply_error(call->reply, "ERR DB index is out of range");
            return;
        }
    }
    keyspace_swap(call->keys, (int)db[0], (int)db[1]);
    blocked_look_again(call->server, (int)db[0]);
    blocked_look_again(call->server, (int)db[1]);
    call->keys->dirty++;
    reply_ok(call->reply);
}

/* -- a drawing: the ground plan of a redoubt, with as many bastions as chance will have -------- */

enum { COLUMNS = 40, ROWS = 20, DOTS_X = COLUMNS * 2, DOTS_Y = ROWS * 4, WALL_STEPS = 6000 };

/* A Braille character shows 2 by 4 dots; these are the bits of its code, from U+2800 on. */
static void set_dot(unsigned char cells[ROWS][COLUMNS], int x, int y)
{
    static const unsigned char bits[4][2] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x >= 0 && x < DOTS_X && y >= 0 && y < DOTS_Y)
        cells[y / 4][x / 2] |= bits[y % 4][x % 2];
}

/* A circle whose radius rises to a point at each bastion. */
static void draw_wall(unsigned char cells[ROWS][COLUMNS], double radius, double height,
                      int bastions, double turn)
{
    for (int i = 0; i < WALL_STEPS; i++) {
        double angle = 2 * M_PI * i / WALL_STEPS;
        double along = fmod((angle + turn) * bastions / (2 * M_PI), 1.0);
        double r = radius + height * fabs(2 * along - 1);
        set_dot(cells, (int)(DOTS_X / 2.0 + r * cos(angle)), (int)(DOTS_Y / 2.0 + r * sin(angle)));
    }
}

static void add_drawing(struct text *out)
{
    unsigned char cells[ROWS][COLUMNS] = {{0}};
    int bastions = 4 + (int)random_below(6);
    double turn = (double)random_below(1000) / 1000;
    draw_wall(cells, 27, 11, bastions, turn);
    draw_wall(cells, 22, 9, bastions, turn);
    draw_wall(cells, 9, 0, bastions, turn);
    for (int y = 0; y < ROWS; y++) {
        for (int x = 0; x < COLUMNS; x++) /* three bytes of UTF-8 */
            text_addf(out, "\xe2%c%c", 0xa0 | cells[y][x] >> 6, 0x80 | (cells[y][x] & 0x3f));
        text_add(out, bytes_of_text("\n"));
    }
    text_addf(out, "\nA redoubt with %d bastions. ", bastions);
}

/* Versions other than 5 and 6 have no drawing in Redis 7 either. */
static void cmd_lolwut(struct call *call)
{
    int64_t version = 0;
    if (call->argc >= 3 && bytes_is_word(call->argv[1], "version") &&
        !call_i64_or_reply(call, 2, &version, NULL))
        return;
    struct text out = {0};
    if (version == 5 || version == 6)
        add_drawing(&out);
    text_addf(&out, "Redis ver. %s\n", REDIS_VERSION);
    reply_verbatim(call->reply, text_view(&out), "txt");
    text_fini(&out);
}

const struct command server_commands[] = {
    {
        .name = "time",
        .run = cmd_time,
        .arity = 1,
        .flags = CMD_LOADING | CMD_STALE | CMD_FAST,
        .group = "server",
        .since = "2.6.0",
        .summary = "Tells the time in seconds and microseconds.",
        .complexity = "O(1)",
        .tips = "nondeterministic_output",
    },
    {
        .name = "lolwut",
        .run = cmd_lolwut,
        .arity = -1,
        .flags = CMD_READONLY | CMD_FAST,
        .group = "server",
        .since = "5.0.0",
        .summary = "Draws something, and tells the version.",
        .complexity = "O(1)",
        .args = "version:integer=VERSION?",
    },
    {
        .name = "dbsize",
        .run = cmd_dbsize,
        .arity = 1,
        .flags = CMD_READONLY | CMD_FAST,
        .categories = CAT_KEYSPACE,
        .group = "server",
        .since = "1.0.0",
        .summary = "Counts the keys of the database.",
        .complexity = "O(1)",
        .tips = "request_policy:all_shards response_policy:agg_sum",
    },
    {
        .name = "flushall",
        .run = cmd_flushall,
        .arity = -1,
        .flags = CMD_WRITE,
        .categories = CAT_KEYSPACE | CAT_DANGEROUS,
        .group = "server",
        .since = "1.0.0",
        .summary = "Removes all keys of all databases.",
        .complexity = "O(N) where N is the number of keys; O(1) for the caller with ASYNC",
        .args = "flush-type(async:token=ASYNC@4.0.0|sync:token=SYNC@6.2.0)?",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "flushdb",
        .run = cmd_flushdb,
        .arity = -1,
        .flags = CMD_WRITE,
        .categories = CAT_KEYSPACE | CAT_DANGEROUS,
        .group = "server",
        .since = "1.0.0",
        .summary = "Removes all keys of the database.",
        .complexity = "O(N) where N is the number of keys; O(1) for the caller with ASYNC",
        .args = "flush-type(async:token=ASYNC@4.0.0|sync:token=SYNC@6.2.0)?",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "swapdb",
        .run = cmd_swapdb,
        .arity = 3,
        .flags = CMD_WRITE | CMD_FAST,
        .categories = CAT_KEYSPACE | CAT_DANGEROUS,
        .group = "server",
        .since = "4.0.0",
        .summary = "Exchanges two databases: clients of one see the keys of the other.",
        .complexity = "O(N) where N is the number of clients that watch keys",
        .args = "index1:integer index2:integer",
    },
    {0},
};
