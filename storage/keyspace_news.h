/*
 * keyspace_news.h - looking at what waits to be told.
 */
#ifndef REDOUBT_STORAGE_KEYSPACE_NEWS_H
#define REDOUBT_STORAGE_KEYSPACE_NEWS_H

#include "storage/keyspace.h"
#include "storage/undo.h"

typedef void news_visit(void *context, int db, struct bytes key, const char *event);
/* The events that wait in an open section, in order. */
void keyspace_news_each(const struct keyspace *ks, struct undo_section section, news_visit *visit,
                        void *context);

#endif
