/* Why a record of a file is refused, in words for whoever made the file (private to
 * casebus-publish). See reason.c. */
#ifndef CASEBUS_PUBLISH_REASON_H
#define CASEBUS_PUBLISH_REASON_H

/* Room for the longest reason. */
#define REASON_SIZE 200

/* What is wrong with `field` ("offences[0].number"), and what it should be, as far as the case
 * record's table knows; otherwise the code's own text. */
void reason_write(int code, const char *field, char out[REASON_SIZE]);

#endif
