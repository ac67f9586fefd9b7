/* The sessions of an upload (private to casebus-publish). See scrape.c. */
#ifndef CASEBUS_PUBLISH_SCRAPE_H
#define CASEBUS_PUBLISH_SCRAPE_H

#include "upload.h"

/* NULL where memory is out. */
struct scrapes *scrapes_new(void);

bool scrape_is_open(const struct upload *upload, struct casebus_bytes agency);

/* The session a record of this agency belongs to, opened if need be: 0 and its id;
 * SCRAPE_PASSES_OVER: the record is not to be sent (its page was done before the session was
 * resumed, or the session has been stopped); or a code that is in the way of everything, or
 * another with the fault filled in: this record has no session. */
#define SCRAPE_PASSES_OVER 1
int scrape_enter(struct upload *upload, struct casebus_bytes agency, const json_t *record,
                 struct casebus_bytes *session, struct row_fault *fault);
/* The library's callback: a session is asked to stop. */
void scrapes_on_stop(void *upload, const char *agency, const char *session);
/* Ends those that were asked to stop, reports pages that are due; *all: there were sessions,
 * and none is open any more. 0 or the library's code. */
int scrapes_tend(struct upload *upload, bool *all);
/* Ends every session that is open. 0 or the library's code. */
int scrapes_end(struct upload *upload, const char *status, const char *reason);

#endif
