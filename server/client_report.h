/*
 * client_report.h - a client as a line of CLIENT LIST.
 */
#ifndef REDOUBT_SERVER_CLIENT_REPORT_H
#define REDOUBT_SERVER_CLIENT_REPORT_H

#include "base/text.h"

struct client;
/* Append c's line, line end included. asking is who runs CLIENT LIST or INFO. */
void client_report(const struct client *c, const struct client *asking, struct text *out);

#endif
