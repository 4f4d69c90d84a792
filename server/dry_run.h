/*
 * dry_run.h - try before you write: SCRIPT DRYRUN and FUNCTION DRYRUN.
 */
#ifndef REDOUBT_SERVER_DRY_RUN_H
#define REDOUBT_SERVER_DRY_RUN_H

#include "server/scripts.h"

/* Run it, as a trial, and take everything back. The answer is a map: 'result', which is the
 * script's reply or error, and 'changes', an array of [key, event, database], in order: what
 * notifications would have said. */
void dry_run(struct call *call, const struct script_job *job);

#endif
