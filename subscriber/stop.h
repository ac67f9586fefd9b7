/* Ctrl-C: the first asks, the second does what it always did. */
#ifndef CASEBUS_STOP_H
#define CASEBUS_STOP_H

#include <stdbool.h>

/* From now on SIGINT and SIGTERM ask the program to stop. */
void stop_on_signals(void);
bool stop_requested(void);

/* No wait is longer: a signal that comes just before one is seen after this. */
#define STOP_SLICE_MS 500

#endif
