/*
 * cache.c - two tables of the same scripts, and a list of those that may go.
 */
#include "scripting/cache.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>

#include "base/memory.h"
#include "storage/dict.h"

struct script_cache {
    struct dict by_sha, by_body;
    struct script *oldest, *newest; /* those that EVAL brought */
    struct script *last; /* found by its SHA last, and nothing was used since; NULL: none */
    uint64_t listed, evicted;
    size_t memory;
};

static struct bytes sha_of(const void *entry)
{
    return bytes_of(((const struct script *)entry)->sha, SHA1_HEX);
}

static struct bytes body_of(const void *entry)
{
    return ((const struct script *)entry)->body;
}

static const struct dict_type sha_type = {.key = sha_of}, body_type = {.key = body_of};

void script_stats_add(struct script_stats *st, uint64_t ticks, bool failed)
{
    st->calls++;
    st->errors += failed;
    st->ticks += ticks;
    if (ticks > st->ticks_max)
        st->ticks_max = ticks;
}

/* -- shebang ----------------------------------------------------------------------------------- */

uint32_t script_flag_of(struct bytes name)
{
    static const struct {
        const char *name;
        uint32_t flag;
    } flags[] = {
        {"no-writes", SCRIPT_NO_WRITES},
        {"allow-oom", SCRIPT_ALLOW_OOM},
        {"allow-stale", SCRIPT_ALLOW_STALE},
        {"no-cluster", SCRIPT_NO_CLUSTER},
        {"allow-cross-slot-keys", SCRIPT_ALLOW_CROSS_SLOT},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (bytes_equal(name, bytes_of_text(flags[i].name)))
            return flags[i].flag;
    return 0;
}

/* Cut text at the first byte that is stop: what was before it. */
static struct bytes cut(struct bytes *text, char stop)
{
    const char *at = text->len > 0 ? memchr(text->ptr, stop, text->len) : NULL;
    size_t len = at != NULL ? (size_t)(at - text->ptr) : text->len,
           skip = at != NULL ? len + 1 : len;
    struct bytes part = bytes_of(text->ptr, len);
    *text = bytes_of(text->ptr + skip, text->len - skip);
    return part;
}

static bool parse_flags(struct bytes list, uint32_t *flags, char error[VM_ERROR_MAX])
{
    bool more = list.len > 0;
    while (more) {
        more = memchr(list.ptr, ',', list.len) != NULL;
        struct bytes name = cut(&list, ',');
        uint32_t flag = script_flag_of(name);
        if (flag == 0) {
            snprintf(error, VM_ERROR_MAX, "ERR Unexpected flag in script shebang: %.*s",
                     (int)name.len, name.ptr);
            return false;
        }
        *flags |= flag;
    }
    return true;
}

/* The first line, if it is a shebang, tells the flags; code begins at its end, so that lines keep
 * their numbers. */
static bool parse_shebang(struct bytes *code, uint32_t *flags, char error[VM_ERROR_MAX])
{
    static const char option[] = "flags=";
    size_t option_len = sizeof option - 1;
    *flags = SCRIPT_COMPATIBLE;
    if (code->len < 2 || memcmp(code->ptr, "#!", 2) != 0)
        return true;
    const char *end = memchr(code->ptr, '\n', code->len);
    if (end == NULL) {
        snprintf(error, VM_ERROR_MAX, "ERR Invalid script shebang");
        return false;
    }
    struct bytes line = bytes_of(code->ptr, (size_t)(end - code->ptr)), engine = cut(&line, ' ');
    if (!bytes_equal(engine, bytes_of_text("#!lua"))) {
        snprintf(error, VM_ERROR_MAX, "ERR Unexpected engine in script shebang: %.*s",
                 (int)engine.len, engine.ptr);
        return false;
    }
    *flags = 0;
    while (line.len > 0) {
        struct bytes part = cut(&line, ' ');
        if (part.len == 0)
            continue;
        if (part.len < option_len || memcmp(part.ptr, option, option_len) != 0) {
            snprintf(error, VM_ERROR_MAX, "ERR Unknown lua shebang option: %.*s", (int)part.len,
                     part.ptr);
            return false;
        }
        if (!parse_flags(bytes_of(part.ptr + option_len, part.len - option_len), flags, error))
            return false;
    }
    *code = bytes_of(end, code->len - (size_t)(end - code->ptr));
    return true;
}

/* -- the list of those that may go ------------------------------------------------------------- */

static void unlist(struct script_cache *c, struct script *s)
{
    *(s->older != NULL ? &s->older->newer : &c->oldest) = s->newer;
    *(s->newer != NULL ? &s->newer->older : &c->newest) = s->older;
    s->older = s->newer = NULL;
    c->last = NULL;
    c->listed--;
}

static void enlist(struct script_cache *c, struct script *s)
{
    s->older = c->newest;
    s->newer = NULL;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = s;
    c->newest = s;
    c->last = NULL;
    c->listed++;
}

static void use(struct script_cache *c, struct script *s)
{
    if (s->loaded || s == c->newest)
        return;
    unlist(c, s);
    enlist(c, s);
}

/* -- scripts ----------------------------------------------------------------------------------- */

struct script_cache *script_cache_create(void)
{
    struct script_cache *c = mem_alloc_zeroed(sizeof *c);
    dict_init(&c->by_sha, &sha_type);
    dict_init(&c->by_body, &body_type);
    return c;
}

static void script_free(struct script_cache *c, struct script *s)
{
    c->memory -= mem_size_of(s) + mem_usable(s->body.len);
    mem_free((char *)s->body.ptr);
    mem_free(s);
}

void script_cache_destroy(struct script_cache *c)
{
    if (c == NULL)
        return;
    struct dict_iter it;
    dict_iter_begin(&it, &c->by_sha);
    for (struct script *s; (s = dict_iter_next(&it)) != NULL;)
        script_free(c, s);
    dict_iter_end(&it);
    dict_fini(&c->by_sha);
    dict_fini(&c->by_body);
    mem_free(c);
}

struct script *script_cache_find(struct script_cache *c, struct bytes sha)
{
    char lower[SHA1_HEX];
    if (sha.len != SHA1_HEX)
        return NULL;
    if (c->last != NULL && memcmp(sha.ptr, c->last->sha, SHA1_HEX) == 0)
        return c->last; /* it is the newest, or never goes */
    struct script *s = dict_find(&c->by_sha, sha, dict_hash(sha));
    if (s == NULL) {
        for (int i = 0; i < SHA1_HEX; i++)
            lower[i] = (char)tolower((unsigned char)sha.ptr[i]);
        sha.ptr = lower;
        s = dict_find(&c->by_sha, sha, dict_hash(sha));
    }
    if (s != NULL)
        use(c, s);
    c->last = s;
    return s;
}

struct script *script_cache_find_body(struct script_cache *c, struct bytes body)
{
    struct script *s = dict_find(&c->by_body, body, dict_hash(body));
    if (s != NULL)
        use(c, s);
    return s;
}

static void evict_oldest(struct script_cache *c, struct vm *vm)
{
    struct script *s = c->oldest;
    unlist(c, s);
    dict_remove(&c->by_sha, sha_of(s), dict_hash(sha_of(s)));
    dict_remove(&c->by_body, s->body, dict_hash(s->body));
    vm_forget(vm, s->function);
    script_free(c, s);
    c->evicted++;
}

struct script *script_cache_add(struct script_cache *c, struct vm *vm, struct bytes body,
                                bool loaded, char error[VM_ERROR_MAX])
{
    uint32_t flags;
    struct bytes code = body;
    char why[VM_ERROR_MAX];
    if (!parse_shebang(&code, &flags, error))
        return NULL;
    int function = vm_compile(vm, code, "@user_script", why);
    if (function == LUA_NOREF) {
        snprintf(error, VM_ERROR_MAX, "ERR Error compiling script (new function): %.*s",
                 VM_ERROR_MAX - 64, why);
        return NULL;
    }
    if (!loaded && c->listed >= SCRIPT_CACHE_MAX)
        evict_oldest(c, vm);
    struct script *s = mem_alloc_zeroed(sizeof *s);
    sha1_hex(body, s->sha);
    s->body = bytes_of(mem_copy_bytes(body.ptr, body.len), body.len);
    s->function = function;
    s->flags = flags;
    s->loaded = loaded;
    c->memory += mem_size_of(s) + mem_usable(body.len);
    dict_insert(&c->by_sha, s, dict_hash(sha_of(s)));
    dict_insert(&c->by_body, s, dict_hash(s->body));
    if (!loaded)
        enlist(c, s);
    return s;
}

void script_cache_keep(struct script_cache *c, struct script *s)
{
    if (s->loaded)
        return;
    unlist(c, s);
    s->loaded = true;
}

uint64_t script_cache_count(const struct script_cache *c)
{
    return c->by_sha.count;
}

uint64_t script_cache_evicted(const struct script_cache *c)
{
    return c->evicted;
}

size_t script_cache_memory(const struct script_cache *c)
{
    return c->memory + dict_memory(&c->by_sha) + dict_memory(&c->by_body);
}

void script_cache_each(struct script_cache *c, void (*visit)(struct script *script, void *context),
                       void *context)
{
    struct dict_iter it;
    dict_iter_begin(&it, &c->by_sha);
    for (struct script *s; (s = dict_iter_next(&it)) != NULL;)
        visit(s, context);
    dict_iter_end(&it);
}
