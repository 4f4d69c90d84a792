/*
 * rdb_list.c - lists in the dump format.
 *
 * Written as nodes (quicklist 2), as Redis 7 writes every list: a small one is a single node. Read
 * element by element, whatever the nodes were: our own limits cut them anew.
 */
#include "base/memory.h"
#include "storage/list.h"
#include "storage/listpack.h"
#include "storage/snapshot/rdb_object.h"
#include "storage/snapshot/rdb_packed.h"

enum { NODE_PLAIN = 1, NODE_PACKED = 2 };
enum { LISTPACK_HEADER = 6 };

/* -- writing ----------------------------------------------------------------------------------- */

static void write_plain(struct rdb_writer *w, struct bytes text)
{
    rdb_write_length(w, NODE_PLAIN);
    rdb_write_string(w, text);
}

static void write_packed(struct rdb_writer *w, const unsigned char *lp)
{
    rdb_write_length(w, NODE_PACKED);
    rdb_write_string(w, bytes_of(lp, lp_bytes(lp)));
}

static void write_node(struct rdb_writer *w, const struct qnode *n)
{
    unsigned char *temp = NULL;
    const unsigned char *view = qnode_view(n, &temp);
    size_t len = qnode_bytes(n);
    if (n->plain) {
        write_plain(w, bytes_of(view, len));
    } else {
        unsigned char *lp = lp_of_run(view, len, n->count);
        write_packed(w, lp);
        lp_destroy(lp);
    }
    mem_free(temp);
}

void rdb_list_write(struct rdb_writer *w, const struct entry *e)
{
    const unsigned char *lp;
    const struct quicklist *ql = list_chain(e, &lp);
    rdb_write_length(w, ql != NULL ? ql->nodes : 1);
    if (ql == NULL)
        write_packed(w, lp);
    for (const struct qnode *n = ql != NULL ? ql->head : NULL; n != NULL; n = n->next)
        write_node(w, n);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* A plain node is never empty: least is 1 there. */
static void read_text(struct rdb_reader *r, struct quicklist *ql, size_t least)
{
    struct rdb_string s;
    if (rdb_read_string(r, &s) && s.text.len >= least)
        quicklist_push(ql, LIST_TAIL, s.text);
    else
        rdb_fail(r);
    rdb_string_end(&s);
}

static void push_all(struct quicklist *ql, const unsigned char *lp)
{
    char scratch[NUMBER_TEXT_MAX];
    for (const unsigned char *at = lp_first(lp); at != NULL; at = lp_next(lp, at))
        quicklist_push(ql, LIST_TAIL, lp_text(at, scratch));
}

static void read_packed(struct rdb_reader *r, struct quicklist *ql, enum rdb_packing packing)
{
    unsigned char *lp = rdb_read_packed(r, packing);
    if (lp != NULL)
        push_all(ql, lp);
    lp_destroy(lp);
}

static void read_node(struct rdb_reader *r, struct quicklist *ql)
{
    switch (rdb_read_length(r)) {
    case NODE_PLAIN:
        read_text(r, ql, 1);
        break;
    case NODE_PACKED:
        read_packed(r, ql, RDB_LISTPACK);
        break;
    default:
        rdb_fail(r);
    }
}

static void read_part(struct rdb_reader *r, struct quicklist *ql, enum rdb_type type)
{
    if (type == RDB_LIST)
        read_text(r, ql, 0);
    else if (type == RDB_LIST_QUICKLIST_2)
        read_node(r, ql);
    else
        read_packed(r, ql, RDB_ZIPLIST);
}

static struct entry *finish(struct rdb_reader *r, const struct rdb_place *place,
                            struct quicklist *ql)
{
    if (!r->failed && ql->count > 0)
        return list_of_quicklist(&place->limits->list, place->key, ql);
    quicklist_destroy(ql);
    return NULL;
}

/* The usual case: all of a small list in one listpack. */
static struct entry *read_single(struct rdb_reader *r, const struct rdb_place *place)
{
    const struct list_limits *limits = &place->limits->list;
    unsigned char *lp = rdb_read_packed(r, RDB_LISTPACK);
    struct entry *e = NULL;
    if (lp != NULL && lp_first(lp) != NULL)
        e = list_of_listpack(limits, place->key, lp);
    if (e != NULL || lp == NULL)
        return e;
    struct quicklist *ql = quicklist_create(limits);
    push_all(ql, lp);
    lp_destroy(lp);
    return finish(r, place, ql);
}

struct entry *rdb_list_read(struct rdb_reader *r, enum rdb_type type, const struct rdb_place *place)
{
    uint64_t parts = type == RDB_LIST_ZIPLIST ? 1 : rdb_read_count(r, 1);
    if (type == RDB_LIST_QUICKLIST_2 && parts == 1 && rdb_left(r) > 0 && *r->at == NODE_PACKED) {
        rdb_read_byte(r);
        return read_single(r, place);
    }
    struct quicklist *ql = quicklist_create(&place->limits->list);
    for (uint64_t i = 0; i < parts && !r->failed; i++)
        read_part(r, ql, type);
    return finish(r, place, ql);
}
