/*
 * tracking.h - CLIENT TRACKING and its kin, for the rows of CLIENT.
 */
#ifndef REDOUBT_SERVER_COMMANDS_TRACKING_H
#define REDOUBT_SERVER_COMMANDS_TRACKING_H

struct call;

void cmd_client_tracking(struct call *call);
void cmd_client_caching(struct call *call);
void cmd_client_trackinginfo(struct call *call);
void cmd_client_getredir(struct call *call);

#endif
