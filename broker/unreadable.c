/* A store whose file cannot be read where it is mapped.
 *
 * LMDB reads through a mapping. A file that is shorter than its pages say (a copy that was
 * interrupted), or a disk that fails under it, is a SIGBUS and no error code: the broker ends
 * by it, as it must, but not without a word about what to do. */
#include "unreadable.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char sentence[4400]; /* made before, for nothing can be made in the handler */
static struct sigaction before;

static void on_bus_error(int number)
{
    const ssize_t ignored = write(STDERR_FILENO, sentence, strlen(sentence));
    (void)ignored;
    sigaction(number, &before, NULL); /* the same access ends it, as it would have */
}

void unreadable_tell(const char *data)
{
    const struct sigaction action = {.sa_handler = on_bus_error};
    snprintf(
        sentence, sizeof sentence,
        "casebus-broker: %s: a page of data.mdb cannot be read: the file is shorter than it "
        "was, or its disk fails; --verify %s says where, --restore puts a backup back\n",
        data, data);
    sigaction(SIGBUS, &action, &before);
}
