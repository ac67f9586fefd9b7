/* Server-Sent Events: the pages that are kept up to date. */
#ifndef CASEBUS_DASHBOARD_STREAMS_H
#define CASEBUS_DASHBOARD_STREAMS_H

#include "dashboard.h"

#define STREAM_VIEWS_MAX 8

struct streams;

int streams_new(struct streams **self_p, struct dashboard *dashboard);
/* All streams must have ended. */
void streams_destroy(struct streams **self_p);
/* A sign of life for those who hear nothing, every 15 s. */
void streams_step(struct streams *self);
int streams_timeout(const struct streams *self);
/* Wakes all of them, so that they end. */
void streams_end(struct streams *self);
unsigned streams_count(const struct streams *self);

#endif
