/* casebus-publish: publishes the case records of a file. */
#include "stop.h"
#include "upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What was published is published, also where nobody can be told. */
static int end_output(int code)
{
    if (fflush(stdout) == 0) {
        return code;
    }
    fprintf(stderr, "casebus-publish: standard output: %s\n", strerror(errno));
    return code == 0 ? 1 : code;
}

int main(int argc, char **argv)
{
    struct options options;
    int code = options_read(&options, argc, argv);
    if (code < 0) {
        stop_on_signals();
        code = upload_run(&options);
    }
    return end_output(code);
}
