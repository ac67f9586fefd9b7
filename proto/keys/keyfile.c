/* Key files, in the format of czmq's zcert (ZPL): sections at the margin, "name = value"
 * indented below, the keys in the section "curve".
 *
 * What is written here czmq and pyzmq can read, and the other way round. A '#' begins a comment
 * only at the beginning of a line: keys hold some. The file is checked once it is open, so that
 * what was checked is what is read; and what it holds before what it allows: nobody shall be
 * told to close a file to others that is no key. */
#include <casebus/keys.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define FILE_MAX 16384

__attribute__((format(printf, 4, 5))) static int say(int code, char *why, size_t why_size,
                                                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (why) {
        vsnprintf(why, why_size, format, args);
    }
    va_end(args);
    return code;
}

bool casebus_key_name_valid(const char *name)
{
    static const char begins[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char goes_on[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strspn(name, goes_on);
    return name[0] != '\0' && strchr(begins, name[0]) && name[size] == '\0' &&
           size <= CASEBUS_KEY_NAME_MAX;
}

bool casebus_key_valid(const char *key)
{
    unsigned char raw[32];
    return strlen(key) == CASEBUS_KEY_SIZE && zmq_z85_decode(raw, key) != NULL;
}

int casebus_keys_generate(struct casebus_keys *keys)
{
    return zmq_curve_keypair(keys->public_key, keys->secret_key) == 0 ? 0 : CASEBUS_EIO;
}

void casebus_keys_forget(struct casebus_keys *keys)
{
    explicit_bzero(keys->secret_key, sizeof keys->secret_key);
}

/* --- reading ----------------------------------------------------------------------------- */

/* What a file may allow to others than its owner. */
enum {
    SECRET_FORBIDS = 077,
    PUBLIC_FORBIDS = 022
};

static int check_open(const struct stat *file, const char *path, unsigned forbidden, char *why,
                      size_t why_size)
{
    if (file->st_uid != geteuid() && file->st_uid != 0) {
        return say(CASEBUS_EKEY, why, why_size, "%s: belongs to somebody else (uid %u)", path,
                   (unsigned)file->st_uid);
    }
    if (file->st_mode & forbidden) {
        return say(CASEBUS_EKEY, why, why_size, "%s: mode %04o lets others %s it: chmod %s %s",
                   path, (unsigned)(file->st_mode & 07777),
                   forbidden == SECRET_FORBIDS ? "read or change" : "change",
                   forbidden == SECRET_FORBIDS ? "600" : "644", path);
    }
    return 0;
}

static int read_file(const char *path, struct stat *file, char text[FILE_MAX + 1], char *why,
                     size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return say(CASEBUS_EKEY, why, why_size, "%s: %s", path, strerror(errno));
    }
    int rc = fstat(fd, file) == 0 && S_ISREG(file->st_mode)
                 ? 0
                 : say(CASEBUS_EKEY, why, why_size, "%s: not a file", path);
    size_t size = 0;
    ssize_t n = 1;
    while (rc == 0 && n > 0 && size < FILE_MAX) {
        n = read(fd, text + size, FILE_MAX - size);
        size += n > 0 ? (size_t)n : 0;
    }
    if (rc == 0 && n != 0) {
        rc = say(CASEBUS_EKEY, why, why_size, "%s: %s", path,
                 n < 0 ? strerror(errno) : "too large for a key file");
    }
    close(fd);
    text[size] = '\0';
    return rc;
}

/* The value of "name = value", its quotes taken off; NULL: the line has another name. */
static char *value_of(char *line, const char *name)
{
    size_t size = strlen(name);
    line += strspn(line, " \t");
    if (strncmp(line, name, size) != 0) {
        return NULL;
    }
    line += size;
    line += strspn(line, " \t");
    if (*line != '=') {
        return NULL;
    }
    line++;
    line += strspn(line, " \t");
    const char *end = "\t ";
    if (*line == '"' || *line == '\'') {
        end = *line++ == '"' ? "\"" : "'";
    }
    line[strcspn(line, end)] = '\0';
    return line;
}

static void keep(const char *value, char key[CASEBUS_KEY_SIZE + 1])
{
    if (value) {
        snprintf(key, CASEBUS_KEY_SIZE + 1, "%s", casebus_key_valid(value) ? value : "");
    }
}

/* Keys that are not there, or are none, stay empty. */
static void parse(char *text, struct casebus_keys *keys)
{
    bool curve = false;
    memset(keys, 0, sizeof *keys);
    for (char *rest = text, *line; (line = strsep(&rest, "\r\n")) != NULL;) {
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        if (line[0] != ' ' && line[0] != '\t') {
            curve = strcmp(line, "curve") == 0;
        } else if (curve) {
            keep(value_of(line, "public-key"), keys->public_key);
            keep(value_of(line, "secret-key"), keys->secret_key);
        }
    }
}

static int read_keys(struct casebus_keys *keys, const char *path, struct stat *file, char *why,
                     size_t why_size)
{
    char text[FILE_MAX + 1];
    int rc = read_file(path, file, text, why, why_size);
    if (rc == 0) {
        parse(text, keys);
    }
    explicit_bzero(text, sizeof text);
    return rc;
}

int casebus_keys_read(struct casebus_keys *keys, const char *path, char *why, size_t why_size)
{
    char derived[CASEBUS_KEY_SIZE + 1];
    struct stat file;
    int rc = read_keys(keys, path, &file, why, why_size);
    if (rc == 0 && keys->secret_key[0] == '\0') {
        rc = say(CASEBUS_EKEY, why, why_size,
                 "%s: holds no secret key: a .secret file of casebus-ctl keygen is expected",
                 path);
    }
    rc = rc ? rc : check_open(&file, path, SECRET_FORBIDS, why, why_size);
    if (rc == 0 && (zmq_curve_public(derived, keys->secret_key) != 0 ||
                    (keys->public_key[0] && strcmp(derived, keys->public_key) != 0))) {
        rc =
            say(CASEBUS_EKEY, why, why_size, "%s: its public and secret key are no pair", path);
    }
    if (rc == 0) {
        memcpy(keys->public_key, derived, sizeof derived);
    } else {
        casebus_keys_forget(keys);
    }
    return rc;
}

int casebus_keys_read_public(char key[CASEBUS_KEY_SIZE + 1], const char *path, char *why,
                             size_t why_size)
{
    struct casebus_keys keys = {.secret_key = ""};
    struct stat file;
    int rc = read_keys(&keys, path, &file, why, why_size);
    if (rc == 0 && keys.public_key[0] == '\0') {
        rc =
            say(CASEBUS_EKEY, why, why_size,
                "%s: holds no public key: a .pub file of casebus-ctl keygen is expected", path);
    }
    rc = rc ? rc : check_open(&file, path, PUBLIC_FORBIDS, why, why_size);
    if (rc == 0) {
        memcpy(key, keys.public_key, sizeof keys.public_key);
    }
    casebus_keys_forget(&keys);
    return rc;
}

/* --- writing ----------------------------------------------------------------------------- */

/* Puts a folder and a name in it together; false: too long. */
static bool path_of(char path[4096], const char *dir, const char *name, const char *suffix)
{
    return snprintf(path, 4096, "%s/%s.%s", dir, name, suffix) < 4096;
}

static int write_all(int fd, const char *text, mode_t mode)
{
    size_t size = strlen(text), done = 0;
    while (done < size) {
        ssize_t n = write(fd, text + done, size - done);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return fchmod(fd, mode) == 0 && fsync(fd) == 0 ? 0 : -1;
}

/* A file that must not be there yet, and that has never been open to others. */
static int create(const char *path, const char *text, mode_t mode, char *why, size_t why_size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return say(errno == EEXIST ? CASEBUS_EKEY : CASEBUS_EIO, why, why_size, "%s: %s", path,
                   errno == EEXIST ? "is there already, and a key is not overwritten"
                                   : strerror(errno));
    }
    int rc = write_all(fd, text, mode) == 0
                 ? 0
                 : say(CASEBUS_EIO, why, why_size, "%s: %s", path, strerror(errno));
    close(fd);
    if (rc != 0) {
        unlink(path);
    }
    return rc;
}

static int sync_folder(const char *dir, char *why, size_t why_size)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0
                 ? 0
                 : say(CASEBUS_EIO, why, why_size, "%s: %s", dir, strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int write_both(const struct casebus_keys *keys, const char *name,
                      const char *secret_path, const char *public_path, char *why,
                      size_t why_size)
{
    char text[512];
    snprintf(text, sizeof text,
             "# A casebus key: keep it secret\n"
             "metadata\n    name = \"%s\"\n"
             "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
             name, keys->public_key, keys->secret_key);
    int rc = create(secret_path, text, 0600, why, why_size);
    explicit_bzero(text, sizeof text);
    if (rc != 0) {
        return rc;
    }
    snprintf(text, sizeof text,
             "# A casebus key: its public half\n"
             "metadata\n    name = \"%s\"\n"
             "curve\n    public-key = \"%s\"\n",
             name, keys->public_key);
    rc = create(public_path, text, 0644, why, why_size);
    if (rc != 0) {
        unlink(secret_path);
    }
    return rc;
}

int casebus_keys_write(const struct casebus_keys *keys, const char *name, const char *dir,
                       char *why, size_t why_size)
{
    char secret_path[4096], public_path[4096];
    if (!casebus_key_name_valid(name)) {
        return say(CASEBUS_EINVAL, why, why_size,
                   "%s: a name has 1 to %d lower-case letters, digits, '.', '_' and '-', and "
                   "begins with a letter or digit",
                   name, CASEBUS_KEY_NAME_MAX);
    }
    if (!path_of(secret_path, dir, name, "secret") || !path_of(public_path, dir, name, "pub")) {
        return say(CASEBUS_EINVAL, why, why_size, "%s: the path is too long", dir);
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return say(CASEBUS_EIO, why, why_size, "%s: %s", dir, strerror(errno));
    }
    int rc = write_both(keys, name, secret_path, public_path, why, why_size);
    return rc ? rc : sync_folder(dir, why, why_size);
}
