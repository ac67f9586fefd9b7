/* How an upload ended (private to casebus-publish). See summary.c. */
#ifndef CASEBUS_PUBLISH_SUMMARY_H
#define CASEBUS_PUBLISH_SUMMARY_H

#include "upload.h"

/* Says on stderr why sending ended before its time: self->stuck. */
void summary_explain_stuck(struct upload *self);
/* The line of counts, on stdout. */
void summary_print(const struct upload *self);
int summary_exit_code(const struct upload *self);

#endif
