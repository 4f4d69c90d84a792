/*
 * outlink.c - non-blocking sockets, each wait bounded by poll().
 */
#include "server/outlink.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

enum { LINKS_MAX = 64, UNUSED_MAX_US = 10 * 1000 * 1000, INPUT = 4096, LINE_MAX_BYTES = 64 * 1024 };

struct outlinks {
    struct outlink *first; /* owned */
    int count;
};

/* -- all of them ------------------------------------------------------------------------------- */

struct outlinks *outlinks_create(void)
{
    return mem_alloc_zeroed(sizeof(struct outlinks));
}

static void end_link(struct outlink *link)
{
    close(link->fd);
    mem_free(link->name);
    mem_free(link->input);
    mem_free(link);
}

void outlink_drop(struct outlinks *all, struct outlink *link)
{
    struct outlink **at = &all->first;
    while (*at != NULL && *at != link)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = link->next;
    all->count--;
    end_link(link);
}

void outlinks_destroy(struct outlinks *all)
{
    while (all->first != NULL)
        outlink_drop(all, all->first);
    mem_free(all);
}

void outlinks_tidy(struct outlinks *all, int64_t now_us)
{
    for (struct outlink *link = all->first, *next; link != NULL; link = next) {
        next = link->next;
        if (now_us - link->used_us > UNUSED_MAX_US)
            outlink_drop(all, link);
    }
}

int outlinks_count(const struct outlinks *all)
{
    return all->count;
}

static void drop_oldest(struct outlinks *all)
{
    struct outlink *oldest = all->first;
    for (struct outlink *link = all->first; link != NULL; link = link->next)
        if (link->used_us < oldest->used_us)
            oldest = link;
    outlink_drop(all, oldest);
}

/* -- waiting ----------------------------------------------------------------------------------- */

static bool wait_for(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t until_us = clock_mono_us() + (int64_t)timeout_ms * 1000;
    for (;;) {
        int64_t left_ms = (until_us - clock_mono_us() + 999) / 1000;
        int ready = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

/* A connected socket, or -1. */
static int connect_to(const struct addrinfo *address, int timeout_ms)
{
    int error = 0, on = 1;
    socklen_t len = sizeof error;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool done = connect(fd, address->ai_addr, address->ai_addrlen) == 0;
    if (!done && errno == EINPROGRESS && wait_for(fd, POLLOUT, timeout_ms))
        done = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
    if (!done) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* -- one of them ------------------------------------------------------------------------------- */

static enum outlink_result dial(const char *host, int port, int timeout_ms, int *fd)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char service[16];
    snprintf(service, sizeof service, "%d", port & 0xffff);
    *fd = -1;
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return OUTLINK_NO_ADDRESS;
    for (const struct addrinfo *a = found; a != NULL && *fd < 0; a = a->ai_next)
        *fd = connect_to(a, timeout_ms);
    freeaddrinfo(found);
    return *fd >= 0 ? OUTLINK_FINE : OUTLINK_FAILED;
}

static struct outlink *find(const struct outlinks *all, const char *name)
{
    struct outlink *link = all->first;
    while (link != NULL && strcmp(link->name, name) != 0)
        link = link->next;
    return link;
}

static enum outlink_result open_new(struct outlinks *all, const char *host, int port,
                                    int timeout_ms, struct outlink **out)
{
    int fd;
    enum outlink_result result = dial(host, port, timeout_ms, &fd);
    if (result != OUTLINK_FINE)
        return result;
    if (all->count >= LINKS_MAX)
        drop_oldest(all);
    struct outlink *link = mem_alloc_zeroed(sizeof *link);
    link->fd = fd;
    link->db = OUTLINK_DB_UNKNOWN;
    link->input = mem_alloc(INPUT);
    link->next = all->first;
    all->first = link;
    all->count++;
    *out = link;
    return OUTLINK_FINE;
}

enum outlink_result outlink_open(struct outlinks *all, struct bytes host, int port, int timeout_ms,
                                 struct outlink **out)
{
    struct text name = {0};
    text_addf(&name, "%.*s:%d", (int)host.len, host.ptr, port);
    char *host_text = mem_copy_bytes(host.ptr, host.len);
    enum outlink_result result = OUTLINK_FINE;
    *out = find(all, name.data);
    bool reused = *out != NULL;
    if (!reused)
        result = open_new(all, host_text, port, timeout_ms, out);
    if (result == OUTLINK_FINE) {
        (*out)->reused = reused;
        (*out)->timeout_ms = timeout_ms;
        (*out)->used_us = clock_mono_us();
        if (!reused)
            (*out)->name = mem_copy_text(name.data);
    }
    mem_free(host_text);
    text_fini(&name);
    return result;
}

bool outlink_write(struct outlink *link, struct bytes data)
{
    while (data.len > 0) {
        ssize_t sent = send(link->fd, data.ptr, data.len, MSG_NOSIGNAL);
        if (sent > 0)
            data = bytes_of(data.ptr + sent, data.len - (size_t)sent);
        else if (errno == EAGAIN ? !wait_for(link->fd, POLLOUT, link->timeout_ms) : errno != EINTR)
            return false;
    }
    return true;
}

/* More input. */
static bool receive(struct outlink *link)
{
    for (;;) {
        ssize_t came = recv(link->fd, link->input, INPUT, 0);
        if (came > 0) {
            link->input_at = 0;
            link->input_len = (size_t)came;
            return true;
        }
        if (came == 0 || (errno != EAGAIN && errno != EINTR))
            return false;
        if (errno == EAGAIN && !wait_for(link->fd, POLLIN, link->timeout_ms))
            return false;
    }
}

bool outlink_read_line(struct outlink *link, struct text *line)
{
    line->len = 0;
    while (line->len < LINE_MAX_BYTES) {
        if (link->input_at == link->input_len && !receive(link))
            return false;
        const char *at = link->input + link->input_at;
        size_t left = link->input_len - link->input_at;
        const char *end = memchr(at, '\n', left);
        size_t len = end != NULL ? (size_t)(end - at) : left;
        text_add(line, bytes_of(at, len));
        link->input_at += len + (end != NULL);
        if (end == NULL)
            continue;
        if (line->len > 0 && line->data[line->len - 1] == '\r')
            line->data[--line->len] = '\0';
        return true;
    }
    return false;
}
