/* What every target has: the entry point's name is libFuzzer's, there is no header for it. */
#ifndef CASEBUS_TESTS_FUZZ_H
#define CASEBUS_TESTS_FUZZ_H

#include <casebus/msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion that no build switches off. */
#define HOLDS(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

/* A refusal is one of the table's codes, told twice the same, with a name that can be shown. */
static inline void fuzz_refusal(int error, const struct casebus_fault *fault)
{
    HOLDS(error < 0 && fault->code == error);
    HOLDS(casebus_utf8_valid(casebus_cstr(fault->field)));
}

/* A file in memory that holds these bytes, for what reads files: its path, until the next
 * call. */
static inline const char *fuzz_file(const void *data, size_t size)
{
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    HOLDS(fd >= 0 && fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0);
    HOLDS(pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

/* What stands before the next separator, or all that is left; `rest` moves behind it. */
static inline struct casebus_bytes fuzz_part(struct casebus_bytes *rest,
                                             unsigned char separator)
{
    const unsigned char *end =
        rest->size > 0 ? memchr(rest->data, separator, rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    struct casebus_bytes part = casebus_bytes(rest->data, size);
    *rest = casebus_bytes(rest->data + size + (end != NULL), rest->size - size - (end != NULL));
    return part;
}

#endif
