/* Accounts: what a file may say, who may read it, and what a token and a password are good for.
 */
#include "../subscriber/test.h"

#include "accounts.h"

#include <casebus/errors.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANN "ann ann password $argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA\n"
#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char folder[] = "/tmp/casebus-accounts-XXXXXX";
static char path[64], beside[72], lock_name[72], why[512];

static void write_file(const char *content, mode_t mode)
{
    FILE *const file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int begin(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void assert_refused(const char *content, const char *words)
{
    struct accounts accounts;
    write_file(content, 0600);
    assert_int_equal(accounts_read(&accounts, path, why, sizeof why), CASEBUS_EMALFORMED);
    assert_non_null(strstr(why, words));
    assert_int_equal(accounts.count, 0);
}

static void lines_are_checked_and_named(void **state)
{
    (void)state;
    assert_refused("", "line 1");
    assert_refused("casebus-accounts 2\n", "line 1");
    assert_refused("casebus-accounts 1\n" ANN ANN, "line 3: the name was there before");
    assert_refused("casebus-accounts 1\nann\n", "line 2");
    assert_refused("casebus-accounts 1\n\n", "line 2");
    assert_refused("casebus-accounts 1\nAnn ann password $argon2id$x\n", "line 2");
    assert_refused("casebus-accounts 1\nann a:b password $argon2id$x\n", "line 2");
    assert_refused("casebus-accounts 1\nann ann password plain\n", "Argon2id");
    assert_refused("casebus-accounts 1\nann ann setup 12 00\n", "not a time and a hash");
    assert_refused("casebus-accounts 1\nann ann setup -1 " HASH "\n", "not a time");
    assert_refused("casebus-accounts 1\nann ann open\n", "line 2");
    assert_refused("casebus-accounts 1\nann ann setup 12 " HASH, "line 2 has no end");
}

static void a_loose_mode_is_refused(void **state)
{
    static const mode_t loose[] = {0640, 0604, 0620, 0644};
    struct accounts accounts;
    (void)state;
    for (size_t i = 0; i < sizeof loose / sizeof *loose; i++) {
        write_file("casebus-accounts 1\n" ANN, loose[i]);
        assert_int_equal(accounts_read(&accounts, path, why, sizeof why), CASEBUS_EIO);
        assert_non_null(strstr(why, "chmod 600"));
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(accounts_read(&accounts, path, why, sizeof why), 0);
    assert_int_equal(accounts.count, 1);
    assert_string_equal(accounts.account[0].actor, "ann");
    accounts_free(&accounts);
}

static int set_password(const char *name, const char *token, const char *password)
{
    return accounts_set_password(path, name, token, password, why, sizeof why);
}

static bool fits(const char *name, const char *password)
{
    struct accounts accounts;
    assert_int_equal(accounts_read(&accounts, path, why, sizeof why), 0);
    const bool fit = password_fits(accounts_find(&accounts, name), password);
    accounts_free(&accounts);
    return fit;
}

static void a_token_sets_one_password(void **state)
{
    char token[ACCOUNT_TOKEN_SIZE], other[ACCOUNT_TOKEN_SIZE];
    struct stat st;
    (void)state;
    assert_int_equal(accounts_add(path, "ann", "desk", token, why, sizeof why), 0);
    assert_int_equal(accounts_add(path, "ben", "ben", other, why, sizeof why), 0);
    assert_int_equal(accounts_add(path, "ann", "x", other, why, sizeof why), CASEBUS_EDECIDED);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(set_password("ann", token, "short"), CASEBUS_EVALUE);
    assert_int_equal(set_password("ann", "wrong", "correct horse"), CASEBUS_EDECIDED);
    assert_int_equal(set_password("ben", token, "correct horse"), CASEBUS_EDECIDED);
    assert_int_equal(set_password("eve", token, "correct horse"), CASEBUS_EDECIDED);
    assert_false(fits("ann", "correct horse"));
    assert_int_equal(set_password("ann", token, "correct horse"), 0);
    assert_int_equal(set_password("ann", token, "another horse"), CASEBUS_EDECIDED);
    assert_true(fits("ann", "correct horse"));
    assert_false(fits("ann", "another horse"));
    assert_false(fits("ben", "correct horse"));
    assert_false(fits("eve", "correct horse"));
}

static void a_reset_voids_password_and_token(void **state)
{
    char first[ACCOUNT_TOKEN_SIZE], second[ACCOUNT_TOKEN_SIZE];
    (void)state;
    assert_int_equal(accounts_add(path, "ann", "ann", first, why, sizeof why), 0);
    assert_int_equal(accounts_reset(path, "ann", second, why, sizeof why), 0);
    assert_string_not_equal(first, second);
    assert_int_equal(set_password("ann", first, "correct horse"), CASEBUS_EDECIDED);
    assert_int_equal(set_password("ann", second, "correct horse"), 0);
    assert_int_equal(accounts_reset(path, "ann", first, why, sizeof why), 0);
    assert_false(fits("ann", "correct horse"));
    assert_int_equal(accounts_reset(path, "ben", first, why, sizeof why), CASEBUS_ENOTFOUND);
    assert_int_equal(accounts_remove(path, "ann", why, sizeof why), 0);
    assert_int_equal(accounts_remove(path, "ann", why, sizeof why), CASEBUS_ENOTFOUND);
}

static void a_token_expires(void **state)
{
    static const char token[] = "a token";
    unsigned char hash[ACCOUNT_TOKEN_HASH];
    char hex[2 * sizeof hash + 1], content[256];
    (void)state;
    crypto_generichash(hash, sizeof hash, (const unsigned char *)token, strlen(token), NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(content, sizeof content, "casebus-accounts 1\nann ann setup 1000 %s\n", hex);
    write_file(content, 0600);
    assert_int_equal(set_password("ann", token, "correct horse"), CASEBUS_EDECIDED);
    snprintf(content, sizeof content, "casebus-accounts 1\nann ann setup 99999999999 %s\n",
             hex);
    write_file(content, 0600);
    assert_int_equal(set_password("ann", token, "correct horse"), 0);
}

static void a_lock_is_not_waited_for_without_end(void **state)
{
    char token[ACCOUNT_TOKEN_SIZE];
    (void)state;
    const int held = open(lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(held >= 0);
    assert_int_equal(flock(held, LOCK_EX), 0);
    assert_int_equal(accounts_add(path, "ann", "ann", token, why, sizeof why), CASEBUS_EBUSY);
    assert_non_null(strstr(why, lock_name));
    assert_int_equal(access(path, F_OK), -1);
    close(held);
    assert_int_equal(accounts_add(path, "ann", "ann", token, why, sizeof why), 0);
}

/* Of somebody who was killed while he wrote, or who meant harm. */
static void what_was_left_beside_the_file_gives_it_no_mode(void **state)
{
    char token[ACCOUNT_TOKEN_SIZE];
    struct stat st;
    (void)state;
    const int left = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(left >= 0);
    assert_int_equal(fchmod(left, 0666), 0);
    close(left);
    assert_int_equal(accounts_add(path, "ann", "ann", token, why, sizeof why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(beside, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_are_checked_and_named, begin),
        cmocka_unit_test_setup(a_loose_mode_is_refused, begin),
        cmocka_unit_test_setup(a_token_sets_one_password, begin),
        cmocka_unit_test_setup(a_reset_voids_password_and_token, begin),
        cmocka_unit_test_setup(a_token_expires, begin),
        cmocka_unit_test_setup(a_lock_is_not_waited_for_without_end, begin),
        cmocka_unit_test_setup(what_was_left_beside_the_file_gives_it_no_mode, begin),
    };
    if (sodium_init() < 0 || mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/accounts", folder);
    snprintf(beside, sizeof beside, "%s.new", path);
    snprintf(lock_name, sizeof lock_name, "%s.lock", path);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(lock_name);
    unlink(path);
    rmdir(folder);
    return failed;
}
