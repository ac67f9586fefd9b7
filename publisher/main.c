/* casebus-publish: publishes the case records of a file. */
#include "stop.h"
#include "upload.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct options options;
    int code = options_read(&options, argc, argv);
    if (code < 0) {
        stop_on_signals();
        code = upload_run(&options);
    }
    return fflush(stdout) == 0 ? code : 2;
}
