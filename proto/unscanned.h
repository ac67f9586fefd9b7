/* A report's data without the scan (private to proto). */
#ifndef PROTO_UNSCANNED_H
#define PROTO_UNSCANNED_H

#include <casebus/schema.h>

/* Takes apart the map the reader is at, into a record that is empty, and passes it: one walk
 * over what no scan has passed, with the result that casebus_scan() and casebus_record_parse()
 * of a report would have. False: something about it is not as in nearly all reports (a key
 * nobody knows, a fault), and the two are to say what becomes of it.
 *
 * The body it lies in has at most CASEBUS_ELEMENTS_MAX bytes, so that it cannot have more
 * values than it may, and the map is a value of the body's own. */
bool casebus_record_parse_unscanned(struct casebus_reader *r, struct casebus_record *record);

#endif
