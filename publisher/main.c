/* casebus-publish: publishes the case records of a file. */
#include "output.h"
#include "stop.h"
#include "upload.h"

int main(int argc, char **argv)
{
    struct options options;
    output_begin();
    int code = options_read(&options, argc, argv);
    if (code < 0) {
        stop_on_signals();
        code = upload_run(&options);
    }
    /* What was published is published, also where nobody can be told. */
    return output_end("casebus-publish", code);
}
