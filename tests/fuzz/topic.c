/* Topics and patterns: what is split can be put together, what is a prefix is a pattern
 * again. */
#include "fuzz.h"

#include <casebus/topic.h>
#include <string.h>

static void check_topic(struct casebus_bytes text)
{
    struct casebus_topic topic, again;
    enum casebus_report_kind report;
    enum casebus_event_kind event;
    bool known = casebus_topic_report(text, &topic, &report) == 0;
    known = casebus_topic_event(text, &topic, &event) == 0 || known;
    HOLDS(!known || casebus_topic_split(text, &topic) == 0);
    struct casebus_bytes stream = casebus_topic_stream(text);
    HOLDS(stream.size <= text.size);
    if (casebus_topic_split(text, &again) == 0) {
        size_t size = 0, of_stream = 0;
        for (unsigned i = 0; i < again.count; i++) {
            HOLDS(casebus_segment_valid(again.segment[i]));
            size += again.segment[i].size + 1;
            of_stream = i < 3 ? size : of_stream;
        }
        HOLDS(size == text.size && stream.size == of_stream);
    }
}

static void check_pattern(const char *pattern)
{
    char prefix[CASEBUS_TOPIC_MAX + 1], again[CASEBUS_TOPIC_MAX + 1];
    const char *why = NULL;
    int size = casebus_pattern_prefix(pattern, prefix, sizeof prefix, &why);
    if (size < 0) {
        HOLDS(why && *why);
        return;
    }
    HOLDS(strlen(prefix) == (size_t)size && prefix[size - 1] == ':');
    HOLDS(casebus_pattern_prefix(prefix, again, sizeof again, NULL) == size);
    HOLDS(strcmp(prefix, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct casebus_bytes agency, id, text = casebus_bytes(data, size);
    char *pattern = malloc(size + 1);
    HOLDS(pattern != NULL);
    memcpy(pattern, data, size);
    pattern[size] = '\0';
    check_topic(text);
    check_pattern(pattern);
    if (casebus_case_id_split(text, &agency, &id) == 0) {
        HOLDS(agency.size + id.size + 1 == size && size <= CASEBUS_CASE_ID_MAX);
    }
    free(pattern);
    return 0;
}
