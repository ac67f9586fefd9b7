/* A real broker for tests of the library. */
#include "test.h"

#include "broker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(const char *const *argv)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        execvp(argv[0], (char **)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

void broker_init(struct broker *self)
{
    *self = (struct broker){.folder = "/tmp/casebus-publisher-XXXXXX", .out = -1};
    assert_non_null(mkdtemp(self->folder));
    snprintf(self->ingest, sizeof self->ingest, "ipc://%s/ingest", self->folder);
    snprintf(self->query, sizeof self->query, "ipc://%s/query", self->folder);
}

void broker_start(struct broker *self, const char *flag, const char *value)
{
    char program[512], store[128], fanout[128], line[512];
    const char *bin = getenv("CASEBUS_BIN");
    int ends[2];
    assert_non_null(bin);
    snprintf(program, sizeof program, "%s/casebus-broker", bin);
    snprintf(store, sizeof store, "%s/store", self->folder);
    snprintf(fanout, sizeof fanout, "ipc://%s/fanout", self->folder);
    const char *argv[] = {program, "--data",  store,       "--ingest", self->ingest, "--fanout",
                          fanout,  "--query", self->query, flag,       value,        NULL};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    self->pid = fork();
    if (self->pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(ends[1], STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execv(program, (char **)argv);
        _exit(127);
    }
    close(ends[1]);
    self->out = ends[0];
    ssize_t size = read(self->out, line, sizeof line - 1); /* one write, once it is ready */
    assert_true(size > 0);
    line[size] = '\0';
    assert_non_null(strstr(line, "ready"));
}

void broker_kill(struct broker *self)
{
    assert_int_equal(kill(self->pid, SIGKILL), 0);
    assert_int_equal(waitpid(self->pid, NULL, 0), self->pid);
    close(self->out);
    self->pid = 0;
}

void broker_copy(const struct broker *self, const char *from, const char *to)
{
    char source[128], target[128];
    snprintf(source, sizeof source, "%s/%s", self->folder, from);
    snprintf(target, sizeof target, "%s/%s", self->folder, to);
    run((const char *[]){"rm", "-rf", target, NULL});
    run((const char *[]){"cp", "-R", source, target, NULL});
}

void broker_forget(const struct broker *self)
{
    char store[128];
    snprintf(store, sizeof store, "%s/store", self->folder);
    run((const char *[]){"rm", "-rf", store, NULL});
}

void broker_end(struct broker *self)
{
    if (self->pid > 0) {
        broker_kill(self);
    }
    run((const char *[]){"rm", "-rf", self->folder, NULL});
}
