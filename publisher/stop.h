/* Ctrl-C (private to casebus-publish). See stop.c. */
#ifndef CASEBUS_PUBLISH_STOP_H
#define CASEBUS_PUBLISH_STOP_H

#include <stdbool.h>

/* From now on SIGINT and SIGTERM ask the command to stop. */
void stop_on_signals(void);
bool stop_requested(void);

#endif
