/* casebus-watch with patterns; see watch_events.c. */
#ifndef CASEBUS_WATCH_EVENTS_H
#define CASEBUS_WATCH_EVENTS_H

#include "watch.h"

/* Prints events until it is stopped, or the time or the count is over; an exit code. */
int watch_events(const struct watch_settings *settings);

#endif
