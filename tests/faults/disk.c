/* A disk that fails, for the fault tests: preloaded into a broker, this library stands
 * between LMDB and the kernel for every write and sync of the store's data file, and for
 * nothing else.
 *
 *   CASEBUS_DISK_FAIL=KIND:N:HOW[:PART][:on]
 *     KIND  write, sync, meta: a write through the descriptor opened with O_DSYNC, or ahead: a
 *           write of zeros where there is no page yet
 *     N     which one of its kind, counted from the start of the process, from 1
 *     HOW   EIO, ENOSPC, short (fewer bytes written than asked), or kill (SIGKILL)
 *     PART  how much of it happens first: none (the default), half, whole
 *     on    every later write and sync fails too, and nothing of it happens
 *
 *   CASEBUS_DISK_TRACE=FILE   each write and sync is appended there, in order (trace.h). Its
 *                             size is the time of the other recordings.
 *
 * System calls are made directly, so nothing has to be looked up before the first of them. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    NOT_OURS,
    WRITE,
    META,
    AHEAD,
    SYNC,
    KIND_COUNT
};
enum how {
    HOW_ERROR,
    HOW_SHORT,
    HOW_KILL
};

#define DESCRIPTORS 1024
static unsigned char kind_of[DESCRIPTORS]; /* WRITE or META: a descriptor of the data file */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    enum kind kind;
    unsigned long number;
    enum how how;
    int error;
    unsigned quarters; /* of it that happen: 0, 2, 4 */
    bool lasting, struck;
} fault;
static unsigned long calls[KIND_COUNT];
static int trace_fd = -1;

/* --- what is asked for ------------------------------------------------------------------- */

static void refuse(const char *text)
{
    fprintf(stderr, "disk: CASEBUS_DISK_FAIL: what is \"%s\"?\n", text);
    abort();
}

static void read_word(const char *word, unsigned index)
{
    static const char *const kinds[KIND_COUNT] = {"", "write", "meta", "ahead", "sync"};
    if (index == 0) {
        for (int k = WRITE; k < KIND_COUNT; k++) {
            fault.kind = strcmp(word, kinds[k]) == 0 ? (enum kind)k : fault.kind;
        }
        if (fault.kind == NOT_OURS) {
            refuse(word);
        }
    } else if (index == 1) {
        fault.number = strtoul(word, NULL, 10);
    } else if (strcmp(word, "EIO") == 0 || strcmp(word, "ENOSPC") == 0) {
        fault.error = word[1] == 'I' ? EIO : ENOSPC;
    } else if (strcmp(word, "short") == 0) {
        fault.how = HOW_SHORT;
    } else if (strcmp(word, "kill") == 0) {
        fault.how = HOW_KILL;
    } else if (strcmp(word, "half") == 0 || strcmp(word, "whole") == 0) {
        fault.quarters = word[0] == 'h' ? 2 : 4;
    } else if (strcmp(word, "on") == 0) {
        fault.lasting = true;
    } else if (strcmp(word, "none") != 0) {
        refuse(word);
    }
}

__attribute__((constructor)) static void begin(void)
{
    const char *fail = getenv("CASEBUS_DISK_FAIL"), *trace = getenv("CASEBUS_DISK_TRACE");
    fault.error = EIO;
    if (fail) {
        char text[128], *rest = text;
        snprintf(text, sizeof text, "%s", fail);
        for (unsigned i = 0; rest; i++) {
            read_word(strsep(&rest, ":"), i);
        }
    }
    if (trace) {
        trace_fd = (int)syscall(SYS_openat, AT_FDCWD, trace,
                                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

/* --- counting and recording -------------------------------------------------------------- */

/* Is this the call that fails, or one after it? */
static bool strikes(enum kind kind)
{
    calls[kind]++;
    if (kind == fault.kind && calls[kind] == fault.number) {
        fault.struck = true;
        return true;
    }
    if (fault.struck) {
        fault.quarters = 0;
    }
    return fault.struck && fault.lasting;
}

/* One write() a record, so that a process killed at any moment leaves whole ones. */
static void record(unsigned char what, off_t offset, const void *bytes, size_t size)
{
    if (trace_fd < 0) {
        return;
    }
    struct trace_record r = {.what = what, .offset = (uint64_t)offset, .size = size};
    struct iovec iov[] = {{&r, sizeof r}, {(void *)(uintptr_t)bytes, size}};
    if (syscall(SYS_writev, trace_fd, iov, size ? 2 : 1) != (long)(sizeof r + size)) {
        abort();
    }
}

static enum kind ours(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS ? (enum kind)kind_of[fd] : NOT_OURS;
}

/* --- writes and syncs -------------------------------------------------------------------- */

/* LMDB's pages begin with their number, which is 0 at the beginning of the file alone. */
static enum kind kind_of_write(int fd, const void *bytes, size_t size, off_t offset)
{
    static const char no_page[8];
    bool ahead = offset > 0 && size > sizeof no_page && !memcmp(bytes, no_page, sizeof no_page);
    return ours(fd) == WRITE && ahead ? AHEAD : ours(fd);
}

static ssize_t fail_write(int fd, const void *bytes, size_t size, off_t offset)
{
    size_t part = size / 4 * fault.quarters;
    if (part > 0) {
        syscall(SYS_pwrite64, fd, bytes, part, offset);
    }
    if (fault.how == HOW_KILL) {
        kill(getpid(), SIGKILL);
    }
    if (ours(fd) == META) {
        record(TRACE_THROUGH_FAILED, offset, NULL, 0);
    }
    errno = fault.error;
    return fault.how == HOW_SHORT ? (ssize_t)part : -1;
}

static ssize_t write_ours(int fd, const void *bytes, size_t size, off_t offset)
{
    enum kind kind = kind_of_write(fd, bytes, size, offset);
    ssize_t written;
    pthread_mutex_lock(&lock);
    record(kind == META ? TRACE_WRITE_THROUGH : TRACE_WRITE, offset, bytes, size);
    if (strikes(kind)) {
        written = fail_write(fd, bytes, size, offset);
    } else {
        written = syscall(SYS_pwrite64, fd, bytes, size, offset);
        if (kind == META && written == (ssize_t)size) {
            record(TRACE_THROUGH, offset, NULL, 0);
        }
    }
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

/* At the descriptor's own position, which moves. */
static ssize_t write_here(int fd, const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size += iov[i].iov_len;
    }
    char *bytes = malloc(size + 1);
    if (!bytes) {
        abort();
    }
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        memcpy(bytes + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    off_t offset = (off_t)syscall(SYS_lseek, fd, 0L, SEEK_CUR);
    ssize_t written = write_ours(fd, bytes, size, offset);
    if (written > 0) {
        syscall(SYS_lseek, fd, (long)(offset + written), SEEK_SET);
    }
    free(bytes);
    return written;
}

static int sync_ours(int fd, long call)
{
    int rc = 0;
    pthread_mutex_lock(&lock);
    bool fails = strikes(SYNC);
    if (!fails || fault.quarters > 0) {
        rc = (int)syscall(call, fd);
    }
    if (fails && fault.how == HOW_KILL) {
        kill(getpid(), SIGKILL);
    }
    int error = fails ? fault.error : errno;
    record(fails ? TRACE_SYNC_FAILED : TRACE_SYNC, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fails ? -1 : rc;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return ours(fd) ? write_ours(fd, bytes, size, offset)
                    : syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, size};
    return ours(fd) ? write_here(fd, &iov, 1) : syscall(SYS_write, fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    return ours(fd) ? write_here(fd, iov, count) : syscall(SYS_writev, fd, iov, count);
}

int fsync(int fd)
{
    return ours(fd) ? sync_ours(fd, SYS_fsync) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return ours(fd) ? sync_ours(fd, SYS_fdatasync) : (int)syscall(SYS_fdatasync, fd);
}

/* A map has no descriptor; nothing of the broker but LMDB syncs one. */
int msync(void *start, size_t size, int flags)
{
    pthread_mutex_lock(&lock);
    bool fails = strikes(SYNC);
    pthread_mutex_unlock(&lock);
    if (fails) {
        errno = fault.error;
        return -1;
    }
    return (int)syscall(SYS_msync, start, size, flags);
}

/* --- which descriptors are the data file's ------------------------------------------------ */

static bool names_data(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return strcmp(name, "data.mdb") == 0 || strcmp(name, "data.mdb.new") == 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS && names_data(path)) {
        kind_of[fd] = flags & O_DSYNC ? META : WRITE;
    }
    return fd;
}

int close(int fd)
{
    if (ours(fd)) {
        kind_of[fd] = NOT_OURS;
    }
    return (int)syscall(SYS_close, fd);
}

/* A store under another name is no store yet: what was written before counts from here. */
int rename(const char *from, const char *to)
{
    int rc = (int)syscall(SYS_rename, from, to);
    if (rc == 0 && names_data(to)) {
        record(TRACE_NAMED, 0, NULL, 0);
    }
    return rc;
}
