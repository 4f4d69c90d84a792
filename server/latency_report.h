/*
 * latency_report.h - LATENCY GRAPH and LATENCY DOCTOR as texts.
 */
#ifndef REDOUBT_SERVER_LATENCY_REPORT_H
#define REDOUBT_SERVER_LATENCY_REPORT_H

#include "base/text.h"
#include "server/latency.h"

/* Draw the series: a column a sample, its age below it. */
void latency_graph(const struct latency_series *series, int64_t now_s, struct text *out);
/* What was slow, how bad it is, and what to look at. enabled: is latency-monitor-threshold set? */
void latency_doctor(const struct latency *l, bool enabled, struct text *out);

#endif
