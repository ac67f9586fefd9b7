/* What a command line names and a broker may not have, asked once before the work begins. */
#ifndef CASEBUS_START_CHECK_H
#define CASEBUS_START_CHECK_H

#include <casebus/client.h>

/* Each waits a little for an answer: a program that starts before its broker is not kept. No
 * answer, or another refusal than the one asked about, is no fault: true. */

/* Is there such an audience, for us? NULL is everybody's, which there is. */
bool start_check_audience(const struct casebus_client_options *broker, const char *audience);
/* Is there such a session, as far as the audience (or NULL) is shown any? */
bool start_check_session(const struct casebus_client_options *broker, const char *audience,
                         struct casebus_bytes agency, struct casebus_bytes session_id);

/* A line on stderr for who waits for a broker: libzmq gives no reason where one refuses a key.
 */
void start_check_say_waiting(const char *program, const char *fanout, bool keyed);

#define START_CHECK_NO_AUDIENCE                                                                \
    "the broker has no audience of this name that we may be part of: its settings file names " \
    "them, and their roles"

#endif
