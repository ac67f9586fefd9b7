/* casebus-publish: publishes the case records of a file. */
#include "output.h"
#include "stop.h"
#include "upload.h"

#include <signal.h>

int main(int argc, char **argv)
{
    struct options options;
    output_begin();
    int code = options_read(&options, argc, argv);
    if (code < 0) {
        stop_on_signals();
        signal(SIGPIPE, SIG_IGN); /* whoever reads what we say may leave before the end */
        code = upload_run(&options);
    }
    /* Output that could not be written changes the exit code, not what was published. */
    code = output_end("casebus-publish", code);
    return code == 0 && ferror(stderr) ? 1 : code;
}
