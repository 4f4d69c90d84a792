/*
 * keyspace_news.h - what is told of databases as a whole, and looking at what waits to be told.
 */
#ifndef REDOUBT_STORAGE_KEYSPACE_NEWS_H
#define REDOUBT_STORAGE_KEYSPACE_NEWS_H

#include "storage/keyspace.h"
#include "storage/undo.h"

/* A database was emptied, or all: for keyspace_flush(). */
void keyspace_flushed(struct keyspace *ks);

typedef void news_visit(void *context, int db, struct bytes key, const char *event);
/* The events that wait in an open section, in order. */
void keyspace_news_each(const struct keyspace *ks, struct undo_section section, news_visit *visit,
                        void *context);

#endif
