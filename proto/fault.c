/* Naming the place of a fault.
 *
 * A fault's field ends up in logs, on terminals and in replies, and its keys may come from a
 * peer: control characters become '?', and what does not fit is cut at its end, never inside a
 * character. The name grows at its front because the innermost function fails first; nobody
 * pays for a path while all is well. */
#include "fault.h"

#include <casebus/limits.h>
#include <stdio.h>
#include <string.h>

#define FRONT_MAX CASEBUS_KEY_MAX /* nothing in front is longer than a key */

static size_t cut_at_character(const char *text, size_t size)
{
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80) {
        size--;
    }
    return size;
}

static void clean(char *text, size_t size)
{
    unsigned char *c = (unsigned char *)text;
    for (size_t i = 0; i < size; i++) {
        if (c[i] < 0x20 || c[i] == 0x7f) {
            c[i] = '?';
        } else if (c[i] == 0xc2 && i + 1 < size && c[i + 1] < 0xa0) {
            c[i] = c[i + 1] = '?';
        }
    }
}

static void put_in_front(struct casebus_fault *fault, const char *front, size_t front_size)
{
    char whole[FRONT_MAX + 1 + sizeof fault->field];
    size_t size = front_size;
    memcpy(whole, front, front_size);
    if (fault->field[0] != '\0' && fault->field[0] != '[') {
        whole[size++] = '.';
    }
    size_t behind = strlen(fault->field);
    memcpy(whole + size, fault->field, behind);
    size += behind;
    if (size >= sizeof fault->field) {
        size = cut_at_character(whole, sizeof fault->field - 1);
    }
    clean(whole, size);
    memcpy(fault->field, whole, size);
    fault->field[size] = '\0';
}

int casebus_fault_set(struct casebus_fault *fault, int code, const char *field)
{
    if (fault) {
        fault->code = code;
        fault->field[0] = '\0';
        casebus_fault_under(fault, casebus_cstr(field));
    }
    return code;
}

void casebus_fault_under(struct casebus_fault *fault, struct casebus_bytes key)
{
    if (fault && key.size > 0) {
        size_t size = key.size;
        if (size > FRONT_MAX) {
            size = FRONT_MAX;
        }
        put_in_front(fault, (const char *)key.data, size);
    }
}

void casebus_fault_under_index(struct casebus_fault *fault, uint32_t index)
{
    if (fault) {
        char text[16];
        int size = snprintf(text, sizeof text, "[%u]", (unsigned)index);
        put_in_front(fault, text, size > 0 ? (size_t)size : 0);
    }
}
