/* The ceilings of the broker in words, from the constants they come from; see help.h. */
#include "help.h"

#include <casebus/limits.h>

void limits_help(FILE *out)
{
    fprintf(
        out,
        "Limits: report %d KiB, record %d KiB, nesting %d, %d keys in a map, %d reports a "
        "commit,\n"
        "%d agencies, %d patterns a subscriber, %d reports a publisher in flight, %d "
        "publishers\n"
        "and %d open sessions an actor, %d rejects kept, reply %d KiB, %d rows, %d replayed\n"
        "events. What one actor may do beside is set above (actor-...): past it there is an\n"
        "error, \"limited\", that names the limit, a counter and an audit line.\n"
        "\n",
        CASEBUS_REPORT_MAX / 1024, CASEBUS_RECORD_MAX / 1024, CASEBUS_DEPTH_MAX,
        CASEBUS_KEYS_MAX, CASEBUS_BATCH_MAX, CASEBUS_AGENCIES_MAX, CASEBUS_PATTERNS_MAX,
        CASEBUS_PUBLISHER_WINDOW, CASEBUS_PUBLISHERS_MAX, CASEBUS_SESSIONS_MAX,
        CASEBUS_REJECTS_MAX, CASEBUS_REPLY_MAX / 1024, CASEBUS_PAGE_MAX, CASEBUS_REPLAY_MAX);
    fprintf(
        out,
        "File descriptors: one for each connection, some fifty of its own (ulimit -n,\n"
        "LimitNOFILE=). With none left nobody new can connect, whoever is connected is served\n"
        "on, and the log says so, and when there are some again.\n"
        "\n"
        "Memory: of a connection to ingest %d messages wait, of frames of %d KiB; to query %d\n"
        "requests of %d KiB and %d MiB of replies not read (%d MiB of all connections of an\n"
        "actor), to fanout %d messages of %d KiB and %d MiB, which all subscribers share; an\n"
        "idle subscriber takes some 50 KiB, a pattern some 50 bytes for each of its own.\n"
        "Requests that wait take 64 MiB, batches %d MiB. For all connections together the "
        "bound\n"
        "is the system's (MemoryMax=): past it the broker is ended, and what it had confirmed\n"
        "is there when it starts again.\n"
        "\n",
        CASEBUS_INGEST_HWM, CASEBUS_FRAME_MAX / 1024, CASEBUS_REQUESTS_QUEUED,
        CASEBUS_REQUEST_MAX / 1024, CASEBUS_UNREAD_MAX >> 20, CASEBUS_UNREAD_ACTOR_MAX >> 20,
        CASEBUS_HWM, CASEBUS_FULL_EVENT_MAX / 1024, CASEBUS_BUNDLES_WAITING >> 20,
        2 * CASEBUS_BATCH_BYTES >> 20);
}
