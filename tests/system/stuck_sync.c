/* Loaded before the broker: a sync of the store that waits for its test, then fails. While the
 * pipe named by CASEBUS_STUCK_SYNC is not there, syncs are real ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd)
{
    const char *name = getenv("CASEBUS_STUCK_SYNC");
    int fifo = name ? open(name, O_RDONLY) : -1; /* returns when the test has opened it too */
    if (fifo < 0) {
        return (int)syscall(SYS_fdatasync, fd);
    }
    char byte;
    ssize_t ignored = read(fifo, &byte, 1); /* until the test writes or closes it */
    (void)ignored;
    close(fifo);
    errno = EIO;
    return -1;
}
