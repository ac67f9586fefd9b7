/* Key files: what is written can be read, by czmq too, and what others could have read is not
 * taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <casebus/keys.h>
#include <czmq.h>
#include <sys/stat.h>

struct fixture {
    char dir[64];
    char secret[128], public[128];
    struct casebus_keys keys;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/casebus-keys-XXXXXX");
    if (!mkdtemp(f->dir) || casebus_keys_generate(&f->keys) != 0 ||
        casebus_keys_write(&f->keys, "worker-1", f->dir, NULL, 0) != 0) {
        return -1;
    }
    snprintf(f->secret, sizeof f->secret, "%s/worker-1.secret", f->dir);
    snprintf(f->public, sizeof f->public, "%s/worker-1.pub", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->secret);
    unlink(f->public);
    rmdir(f->dir);
    free(f);
    return 0;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    struct casebus_keys keys;
    char key[CASEBUS_KEY_SIZE + 1];
    assert_int_equal(casebus_keys_read(&keys, f->secret, NULL, 0), 0);
    assert_string_equal(keys.public_key, f->keys.public_key);
    assert_string_equal(keys.secret_key, f->keys.secret_key);
    assert_int_equal(casebus_keys_read_public(key, f->public, NULL, 0), 0);
    assert_string_equal(key, f->keys.public_key);
    assert_int_equal(mode_of(f->secret), 0600);
    assert_int_equal(mode_of(f->public), 0644);
}

static void czmq_reads_it_and_is_read(void **state)
{
    struct fixture *f = *state;
    zcert_t *cert = zcert_load(f->secret);
    assert_non_null(cert);
    assert_string_equal(zcert_public_txt(cert), f->keys.public_key);
    assert_string_equal(zcert_secret_txt(cert), f->keys.secret_key);
    zcert_destroy(&cert);

    struct casebus_keys keys;
    cert = zcert_new();
    zcert_set_meta(cert, "name", "%s", "of # czmq");
    unlink(f->secret);
    assert_int_equal(zcert_save_secret(cert, f->secret), 0);
    chmod(f->secret, 0600);
    assert_int_equal(casebus_keys_read(&keys, f->secret, NULL, 0), 0);
    assert_string_equal(keys.secret_key, zcert_secret_txt(cert));
    zcert_destroy(&cert);
}

static void a_secret_that_others_may_read_is_refused(void **state)
{
    struct fixture *f = *state;
    struct casebus_keys keys;
    char why[256];
    for (mode_t bit = 01; bit <= 040; bit <<= 1) {
        chmod(f->secret, 0600 | bit);
        assert_int_equal(casebus_keys_read(&keys, f->secret, why, sizeof why), CASEBUS_EKEY);
        assert_non_null(strstr(why, "chmod 600"));
        assert_int_equal(keys.secret_key[0], 0);
    }
}

static void a_public_key_that_others_may_change_is_refused(void **state)
{
    struct fixture *f = *state;
    char key[CASEBUS_KEY_SIZE + 1], why[256];
    chmod(f->public, 0664);
    assert_int_equal(casebus_keys_read_public(key, f->public, why, sizeof why), CASEBUS_EKEY);
    assert_non_null(strstr(why, "chmod 644"));
}

static void a_key_is_not_overwritten(void **state)
{
    struct fixture *f = *state;
    struct casebus_keys other, kept;
    char why[256];
    casebus_keys_generate(&other);
    assert_int_equal(casebus_keys_write(&other, "worker-1", f->dir, why, sizeof why),
                     CASEBUS_EKEY);
    assert_non_null(strstr(why, "not overwritten"));
    unlink(f->secret); /* its other half alone is enough, and no half is left behind */
    assert_int_equal(casebus_keys_write(&other, "worker-1", f->dir, why, sizeof why),
                     CASEBUS_EKEY);
    assert_int_equal(access(f->secret, F_OK), -1);
    assert_int_equal(casebus_keys_read_public(kept.public_key, f->public, NULL, 0), 0);
    assert_string_equal(kept.public_key, f->keys.public_key);
}

static void what_is_no_key_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct casebus_keys keys;
    char text[256];
    static const char *const wrong[] = {
        "",
        "curve\n",
        "curve\n    secret-key = \"short\"\n",
        "secret-key = \"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\"\n", /* not in the section */
        "other\n    secret-key = \"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\"\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put(f->secret, wrong[i]);
        assert_int_equal(casebus_keys_read(&keys, f->secret, NULL, 0), CASEBUS_EKEY);
    }
    struct casebus_keys other;
    casebus_keys_generate(&other);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
             other.public_key, f->keys.secret_key);
    put(f->secret, text);
    assert_int_equal(casebus_keys_read(&keys, f->secret, NULL, 0), CASEBUS_EKEY);
    assert_int_equal(casebus_keys_read(&keys, f->dir, NULL, 0), CASEBUS_EKEY);
    assert_int_equal(casebus_keys_read(&keys, "/nonexistent", NULL, 0), CASEBUS_EKEY);
}

static void names_are_plain(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"", ".", "..", "-x", "a/b", "A", "a b", "../x", "é"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(casebus_keys_write(&f->keys, bad[i], f->dir, NULL, 0), CASEBUS_EINVAL);
    }
    char name[CASEBUS_KEY_NAME_MAX + 2];
    memset(name, 'a', sizeof name);
    name[CASEBUS_KEY_NAME_MAX + 1] = '\0';
    assert_false(casebus_key_name_valid(name));
    name[CASEBUS_KEY_NAME_MAX] = '\0';
    assert_true(casebus_key_name_valid(name));
}

static void credentials_are_both_keys_or_none(void **state)
{
    struct fixture *f = *state;
    struct casebus_credentials c;
    assert_int_equal(casebus_credentials_read(&c, NULL, NULL, NULL, 0), 0);
    assert_false(c.encrypted);
    assert_int_equal(casebus_credentials_read(&c, f->secret, NULL, NULL, 0), CASEBUS_EINVAL);
    assert_int_equal(casebus_credentials_read(&c, NULL, f->public, NULL, 0), CASEBUS_EINVAL);
    assert_int_equal(casebus_credentials_read(&c, f->secret, f->public, NULL, 0), 0);
    assert_true(c.encrypted);
    casebus_credentials_forget(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(czmq_reads_it_and_is_read),
        TEST(a_secret_that_others_may_read_is_refused),
        TEST(a_public_key_that_others_may_change_is_refused),
        TEST(a_key_is_not_overwritten),
        TEST(what_is_no_key_file_is_refused),
        TEST(names_are_plain),
        TEST(credentials_are_both_keys_or_none),
    };
    setenv("ZSYS_SIGHANDLER", "false", 1); /* czmq would take the signals */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    zsys_shutdown();
    return failed;
}
