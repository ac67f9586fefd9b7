/* A program that follows events with options that no command has; its lines are for scripts.
 *
 *   reader FANOUT QUERY [-w HWM] [-e HOLD_EVENTS] [-u] PATTERN...
 *
 * It begins with the log. A line "seq topic" for each event, one for each thing told ("gap
 * after through", "epoch seq"), and at SIGTERM one with its counters. */
#include <casebus/subscriber.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static int fail(const char *what, int rc)
{
    fprintf(stderr, "reader: %s: %s\n", what, casebus_strerror(rc));
    return 1;
}

/* True: it was something to tell, and the reader goes on. */
static bool tell(const struct casebus_subscriber *subscriber, int rc)
{
    const struct casebus_gap *gap = casebus_subscriber_gap(subscriber);
    switch (rc) {
    case CASEBUS_EGAP:
        printf("gap %llu %llu\n", (unsigned long long)gap->after,
               (unsigned long long)gap->through);
        return true;
    case CASEBUS_EEPOCH:
        printf("epoch %llu\n", (unsigned long long)casebus_subscriber_seq(subscriber));
        return true;
    default:
        return rc == 0 || rc == CASEBUS_EINTR;
    }
}

static int follow(struct casebus_subscriber *subscriber)
{
    const struct casebus_event *event;
    struct casebus_subscriber_stats stats;
    int rc = 0;
    while (!stopped) {
        rc = casebus_subscriber_next(subscriber, &event, 100);
        if (rc == 1) {
            printf("%llu %.*s\n", (unsigned long long)event->seq, (int)event->topic_text.size,
                   (const char *)event->topic_text.data);
            continue;
        }
        if (!tell(subscriber, rc)) {
            return fail("next", rc);
        }
        fflush(stdout);
    }
    casebus_subscriber_stats(subscriber, &stats);
    printf("stats received=%llu repaired=%llu duplicates=%llu lost=%llu overflows=%llu "
           "questions=%llu\n",
           (unsigned long long)stats.received, (unsigned long long)stats.repaired,
           (unsigned long long)stats.duplicates, (unsigned long long)stats.lost,
           (unsigned long long)stats.overflows, (unsigned long long)stats.questions);
    return 0;
}

static int run(struct casebus_subscriber_options options, char **patterns)
{
    struct casebus_subscriber *subscriber;
    int rc = casebus_subscriber_new(&subscriber, options);
    for (; rc == 0 && *patterns != NULL; patterns++) {
        rc = casebus_subscriber_subscribe(subscriber, *patterns, NULL);
    }
    if (rc == 0) {
        rc = casebus_subscriber_start_at(subscriber, 0);
    }
    if (rc == 0) {
        rc = casebus_subscriber_join(subscriber, 10000) == 1 ? 0 : CASEBUS_ETIMEDOUT;
    }
    if (rc != 0) {
        casebus_subscriber_destroy(&subscriber);
        return fail("start", rc);
    }
    puts("joined");
    fflush(stdout);
    rc = follow(subscriber);
    casebus_subscriber_destroy(&subscriber);
    return rc;
}

int main(int argc, char **argv)
{
    struct casebus_subscriber_options options = casebus_subscriber_options();
    int option;
    while ((option = getopt(argc, argv, "w:e:u")) != -1) {
        switch (option) {
        case 'w':
            options.hwm = atoi(optarg);
            break;
        case 'e':
            options.hold_events = strtoull(optarg, NULL, 10);
            break;
        case 'u':
            options.unordered = true;
            break;
        default:
            return 2;
        }
    }
    if (argc - optind < 3) {
        return 2;
    }
    options.fanout = argv[optind];
    options.query = argv[optind + 1];
    const struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    return run(options, argv + optind + 2);
}
