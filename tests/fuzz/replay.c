/* A fuzz target without the fuzzer: goes through the files of the folder it is given. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>

static void replay(int folder, const char *name)
{
    static uint8_t bytes[1 << 20];
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, bytes, sizeof bytes);
    HOLDS(size >= 0 && close(fd) == 0);
    uint8_t *exact = malloc((size_t)size ? (size_t)size : 1); /* a read past its end is seen */
    HOLDS(exact != NULL);
    memcpy(exact, bytes, (size_t)size);
    LLVMFuzzerTestOneInput(exact, (size_t)size);
    free(exact);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    unsigned count = 0;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *e; (e = readdir(folder));) {
        if (e->d_type == DT_REG) {
            printf("%s\n", e->d_name);
            fflush(stdout); /* the last one printed is the one that fails */
            replay(dirfd(folder), e->d_name);
            count++;
        }
    }
    closedir(folder);
    printf("%u inputs\n", count);
    return count > 0 ? 0 : 1;
}
