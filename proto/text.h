/* What text may be (private to proto). It is valid UTF-8, or somebody else says that it is not.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "wire.h"

#include <casebus/schema.h>

/* Nothing but ASCII from U+0020 on, as nearly all text is? */
static inline bool text_is_simple(struct casebus_bytes text)
{
    struct wire_ends ends = wire_ends(text.data, text.size);
    uint64_t odd = wire_not_within(ends.first, 0x20) | wire_not_within(ends.last, 0x20);
    for (size_t i = 8; i + 8 < text.size; i += 8) {
        odd |= wire_not_within(wire_eight(text.data + i), 0x20);
    }
    return odd == 0;
}

/* Nothing but white space, or nothing. */
bool casebus_text_is_blank(struct casebus_bytes text);

/* 0, CASEBUS_ETOOLONG or CASEBUS_EVALUE: a text, date, URL or choice, as the field has it. */
int casebus_text_fits(struct casebus_bytes text, const struct casebus_field *field);

#endif
