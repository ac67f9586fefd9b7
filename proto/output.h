/* What a program prints has been written when it ends, or is said not to have been. */
#ifndef CASEBUS_OUTPUT_H
#define CASEBUS_OUTPUT_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* First of all: a program that was started with a closed stream would otherwise print into the
 * first file, socket or store that it opens. */
static inline void output_begin(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) {
            return; /* nor will anything else open */
        }
    }
}

static inline void output_failed(const char *program, const char *why)
{
    fprintf(stderr, "%s: cannot write its output: %s\n", program, why);
}

/* The exit code: `code`, or 1 in place of 0 where stdout has failed. */
static inline int output_end(const char *program, int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return code;
    }
    output_failed(program, errno != 0 ? strerror(errno) : "a part of it is lost");
    return code == 0 ? 1 : code;
}

#endif
