/* The fork matrix: whatever other threads and processes do at that moment, a fork hangs nobody, parent and children
 * decide and change keys as before, see each other's revocations with the next check, and never make the same secret.
 *
 *   fork_matrix                every cell, a few forks each
 *   fork_matrix FORKS [CELL]   so many forks in each cell, or in that one
 *   fork_matrix --list         the cells
 *
 * It works in the current folder and leaves the stores there, for others to look at.
 *
 * xtask: c11, no-sanitizers, no-valgrind
 */
#define _GNU_SOURCE
#include "fork_keys.h"

#include <pthread.h>
#include <sys/syscall.h>

enum {
    BUSY_THREADS = 3,
    SIBLINGS = 2,     /* children at once */
    A_FEW = 6,
    /* Seconds without any step of any process, after which they hang: on a machine that does nothing else, on any. */
    PATIENCE_ALONE = 10,
    PATIENCE = 60
};

struct cell {
    const char *name;
    void *(*busy)(void *);        /* what other threads do meanwhile; NULL for no other threads */
    int from_a_thread;            /* a second thread forks */
    int grandchild;               /* the child forks, and its child does the work */
    int lazy;                     /* the store is opened after the fork, on both sides */
    int raw;                      /* a raw clone: no handler runs */
    int writer;                   /* another process changes keys all the time */
};

static const struct cell *cell;
static int done;
/* Where a process that ends through `exit` says so. */
static int exit_pipe = -1;

#define STEP(what) watch_step(__FILE__ ": " what)

/* --- What other threads do. --- */

static int still(void)
{
    return !__atomic_load_n(&done, __ATOMIC_SEQ_CST);
}

/* Checks; where another process writes, each check has a change to follow. */
static void *busy_checking(void *which)
{
    (void)which;
    while (still()) {
        GIVES(OK, decide(auth, warm));
        GIVES(INVALID_CREDENTIAL, decide(auth, "Bearer nobody:isk_x"));
    }
    return NULL;
}

static void *busy_revoking(void *which)
{
    char name[32], value[SECRET];
    snprintf(name, sizeof name, "busy%d", (int)(size_t)which);
    while (still()) {
        make(auth, name, value, NULL, NULL);
        GIVES(OK, decide(auth, value));
        set_enabled(auth, name, 0);
        GIVES(INVALID_CREDENTIAL, decide(auth, value));
        delete_key(name);
        GIVES(INVALID_CREDENTIAL, decide(auth, value));
    }
    return NULL;
}

/* A chosen secret is never remembered: each check is an Argon2. */
static void *busy_hashing(void *which)
{
    (void)which;
    while (still())
        GIVES(OK, decide(auth, chosen));
    return NULL;
}

static void *busy_opening(void *which)
{
    (void)which;
    while (still()) {
        inspire_auth *another = open_at(store);
        GIVES(OK, decide(another, warm));
        inspire_auth_free(another);
    }
    return NULL;
}

static const struct cell CELLS[] = {
    {"plain", NULL, 0, 0, 0, 0, 0},
    {"thread", busy_checking, 1, 0, 0, 0, 0},
    {"revoke", busy_revoking, 0, 0, 0, 0, 0},
    {"argon2", busy_hashing, 0, 0, 0, 0, 0},
    {"reload", busy_checking, 0, 0, 0, 0, 1},
    {"open", busy_opening, 0, 0, 0, 0, 0},
    {"double", NULL, 0, 1, 0, 0, 0},
    {"double-revoke", busy_revoking, 1, 1, 0, 0, 1},
    {"lazy", NULL, 0, 0, 1, 0, 0},
    {"clone", NULL, 0, 0, 0, 1, 0},
};

/* --- One fork. --- */

struct round {
    int number;
    /* Known and used on both sides of the fork; made but not yet used; to be revoked by one of the two. */
    char cold[SECRET], doomed[SECRET], victim[SECRET];
    inspire_ticket *ticket;
};

struct child {
    pid_t pid;
    int number, to, from;
};

/* What a child tells of the key that it made. */
struct news {
    char authorization[SECRET], secret[SECRET], id[SECRET];
};

static void name_of(char *name, const char *what, int number)
{
    snprintf(name, 64, "%s-%d", what, number);
}

static void send_all(int to, const void *bytes, size_t length)
{
    CHECK(write(to, bytes, length) == (ssize_t)length);
}

/* Waits for another process; the watchdog sees to it that this ends. */
static void receive(int from, void *bytes, size_t length)
{
    size_t got = 0;
    while (got < length) {
        ssize_t more = read(from, (char *)bytes + got, length - got);
        CHECK(more > 0);
        got += (size_t)more;
    }
}

static void at_exit(void)
{
    if (exit_pipe >= 0)
        send_all(exit_pipe, "x", 1);
}

/* The three ways in which a child may end; `told` is where it says that its exit handlers ran. */
static void leave(int number, int told)
{
    STEP("ends");
    exit_pipe = told;
    switch (number % 3) {
    case 0:
        inspire_requirement_free(any_key);
        inspire_auth_free(auth);
        exit(0);
    case 1:
        exit(0);
    default:
        _exit(0);
    }
}

static pid_t fork_as_the_cell_says(void)
{
    /* With no flags but the exit signal this is a fork without the C library. */
    return cell->raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
}

/* A child that no handler prepared: what it inherited is refused, what it opens itself works. */
static void raw_clone(const struct round *round, const inspire_auth *memory, const char *in_memory, struct news *news,
                      int number)
{
    inspire_auth_options options = cheap_options(store);
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_caller caller = by_system();
    inspire_created_key *created = NULL;
    inspire_auth *own = NULL;
    char path[64], value[SECRET];
    STEP("the clone asks what it inherited");
    GIVES(STORE_STALE, decide(auth, warm));
    GIVES(STORE_STALE, decide(auth, round->cold));
    spec.name = INSPIRE_STR("of-a-clone");
    GIVES(STORE_STALE, inspire_key_create(auth, &spec, &caller, &created, NULL));
    STEP("the clone asks the store in memory, which is its own copy");
    GIVES(OK, decide(memory, in_memory));
    make(memory, "of-a-clone", value, NULL, NULL);
    GIVES(OK, decide(memory, value));
    STEP("the clone opens the file that it inherited");
    GIVES(STORE_STALE, inspire_auth_open(&options, &own, NULL));
    STEP("the clone opens a store of its own");
    name_of(path, "clone", number);
    strcat(path, ".db");
    own = open_at(path);
    make(own, "own", news->authorization, news->secret, news->id);
    GIVES(OK, decide(own, news->authorization));
    GIVES(OK, decide(own, news->authorization));
    GIVES(INVALID_CREDENTIAL, decide(own, warm));
    GIVES(STORE_STALE, decide(auth, warm));
    GIVES(OK, decide(memory, in_memory));
    inspire_auth_free(own);
}

static void child(struct round *round, const inspire_auth *memory, const char *in_memory, int number, int to, int from)
{
    struct news news;
    char name[64], go;
    memset(&news, 0, sizeof news);
    if (cell->lazy) {
        STEP("opens");
        open_store();
    }
    if (cell->raw) {
        raw_clone(round, memory, in_memory, &news, number);
        send_all(to, "r", 1);
        receive(from, &go, 1);
    } else {
        STEP("checks what it knows");
        GIVES(OK, decide(auth, warm));
        GIVES(OK, decide(auth, round->doomed));
        STEP("checks for the first time");
        GIVES(OK, decide(auth, round->cold));
        GIVES(OK, decide(auth, chosen));
        GIVES(INVALID_CREDENTIAL, decide(auth, "Bearer warm:isk_wrong"));
        GIVES(INVALID_CREDENTIAL, decide(auth, "Bearer nobody:isk_wrong"));
        if (round->ticket != NULL) {
            inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
            STEP("waits for what was being hashed in its parent");
            GIVES(CANCELLED, inspire_ticket_wait(round->ticket, INSPIRE_WAIT_FOREVER, &principal, NULL));
        }
        send_all(to, "r", 1);
        STEP("waits for the parent's revocation");
        receive(from, &go, 1);
        STEP("checks what the parent revoked");
        GIVES(INVALID_CREDENTIAL, decide(auth, round->doomed));
        name_of(name, "victim", number);
        STEP("revokes");
        delete_key(name);
        GIVES(INVALID_CREDENTIAL, decide(auth, round->victim));
        name_of(name, "made", number);
        STEP("creates");
        make(auth, name, news.authorization, news.secret, news.id);
        GIVES(OK, decide(auth, news.authorization));
    }
    send_all(to, &news, sizeof news);
    STEP("waits for the parent's last word");
    receive(from, &go, 1);
    leave(number, to);
}

static struct child begin_child(struct round *round, const inspire_auth *memory, const char *in_memory, int seat,
                                int *others)
{
    struct child begun;
    int down[2], up[2];
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    STEP("forks");
    begun.number = round->number;
    begun.pid = fork_as_the_cell_says();
    CHECK(begun.pid >= 0);
    if (begun.pid == 0) {
        watch_sit(seat);
        /* A sibling's ends must not stay open here. */
        if (others != NULL) {
            close(others[0]);
            close(others[1]);
        }
        close(down[1]);
        close(up[0]);
        if (cell->grandchild) {
            int status;
            pid_t pid = fork();
            CHECK(pid >= 0);
            if (pid > 0) {
                close(down[0]);
                close(up[1]);
                /* Between the two it is itself a process that decides. */
                GIVES(OK, decide(auth, warm));
                CHECK(waitpid(pid, &status, 0) == pid);
                CHECK(WIFEXITED(status));
                _exit(WEXITSTATUS(status));
            }
            watch_sit(seat + SIBLINGS);
        }
        child(round, memory, in_memory, begun.number, up[1], down[0]);
    }
    close(down[0]);
    close(up[1]);
    begun.to = down[1];
    begun.from = up[0];
    return begun;
}

static void end_child(const struct child *begun, int seat)
{
    char last;
    int status;
    STEP("waits for the end of a child");
    send_all(begun->to, "q", 1);
    if (begun->number % 3 == 2) {
        CHECK(read(begun->from, &last, 1) == 0);
    } else {
        receive(begun->from, &last, 1);
        CHECK(last == 'x');
    }
    CHECK(waitpid(begun->pid, &status, 0) == begun->pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    watch_leave(seat);
    watch_leave(seat + SIBLINGS);
    close(begun->to);
    close(begun->from);
}

static void prepare_round(struct round *round, int number)
{
    char name[64];
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    memset(round, 0, sizeof *round);
    round->number = number;
    STEP("prepares");
    name_of(name, "cold", number);
    make(auth, name, round->cold, NULL, NULL);
    name_of(name, "doomed", number);
    make(auth, name, round->doomed, NULL, NULL);
    name_of(name, "victim", number);
    make(auth, name, round->victim, NULL, NULL);
    GIVES(OK, decide(auth, round->doomed));
    GIVES(OK, decide(auth, round->victim));
    if (cell->busy == busy_hashing) {
        inspire_request request = request_with(inspire_str_from(chosen), any_key);
        GIVES(PENDING, inspire_auth_authenticate_no_wait(auth, &request, &principal, &round->ticket, NULL));
    }
}

/* The parent's side, for one child. */
static void see_through(struct round *round, const struct child *begun)
{
    struct news news;
    char name[64], value[SECRET], secret[SECRET], id[SECRET], ready;
    /* Made at the very time at which the child makes its own. */
    STEP("creates");
    name_of(name, "own", begun->number);
    make(auth, name, value, secret, id);
    GIVES(OK, decide(auth, value));
    remember(secret);
    remember(id);
    delete_key(name);
    GIVES(INVALID_CREDENTIAL, decide(auth, value));
    STEP("waits for a child's checks");
    receive(begun->from, &ready, 1);
    STEP("revokes");
    name_of(name, "doomed", begun->number);
    delete_key(name);
    GIVES(INVALID_CREDENTIAL, decide(auth, round->doomed));
    send_all(begun->to, "d", 1);
    STEP("waits for a child's changes");
    receive(begun->from, &news, sizeof news);
    STEP("checks what a child changed");
    remember(news.secret);
    remember(news.id);
    if (cell->raw) {
        GIVES(INVALID_CREDENTIAL, decide(auth, news.authorization));
        GIVES(OK, decide(auth, round->victim));
        name_of(name, "victim", begun->number);
        delete_key(name);
    } else {
        GIVES(INVALID_CREDENTIAL, decide(auth, round->victim));
        GIVES(OK, decide(auth, news.authorization));
    }
    GIVES(OK, decide(auth, warm));
    GIVES(OK, decide(auth, round->cold));
    name_of(name, "cold", begun->number);
    delete_key(name);
    if (round->ticket != NULL) {
        inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
        STEP("waits for its own ticket");
        GIVES(OK, inspire_ticket_wait(round->ticket, INSPIRE_WAIT_FOREVER, &principal, NULL));
        inspire_ticket_free(round->ticket);
    }
}

static void *all_rounds(void *forks)
{
    struct round rounds[SIBLINGS];
    struct child begun[SIBLINGS];
    inspire_auth *memory = NULL;
    char in_memory[SECRET];
    int number, at, count;
    if (cell->raw) {
        memory = open_at(":memory:");
        make(memory, "known", in_memory, NULL, NULL);
        GIVES(OK, decide(memory, in_memory));
    }
    for (number = 0; number < *(int *)forks; number += count) {
        count = *(int *)forks - number < SIBLINGS ? *(int *)forks - number : SIBLINGS;
        for (at = 0; at < count; at++)
            prepare_round(&rounds[at], number + at);
        if (cell->lazy)
            close_store();
        for (at = 0; at < count; at++) {
            int first[2] = {begun[0].to, begun[0].from};
            begun[at] = begin_child(&rounds[at], memory, in_memory, 1 + at, at == 0 ? NULL : first);
        }
        if (cell->lazy)
            open_store();
        for (at = 0; at < count; at++)
            see_through(&rounds[at], &begun[at]);
        for (at = 0; at < count; at++)
            end_child(&begun[at], 1 + at);
    }
    inspire_auth_free(memory);
    return NULL;
}

/* --- The very first use. --- */

static int opening;

static void *first_use(void *unused)
{
    (void)unused;
    __atomic_store_n(&opening, 1, __ATOMIC_SEQ_CST);
    auth = open_at(":memory:");
    return NULL;
}

static void make_own(char *value)
{
    open_store();
    make(auth, "own", value, NULL, NULL);
    GIVES(OK, decide(auth, value));
    CHECK(inspire_result_name(INSPIRE_RESULT_OK).len == 2);
}

/* A process in which one thread uses the library for the first time, at a moment near that of a fork. */
static void use_and_fork(int delay)
{
    pthread_t thread;
    volatile int spin;
    char own[SECRET];
    int status;
    pid_t pid;
    strcpy(store, ":memory:");
    CHECK(pthread_create(&thread, NULL, first_use, NULL) == 0);
    while (!__atomic_load_n(&opening, __ATOMIC_SEQ_CST))
        continue;
    for (spin = 0; spin < delay; spin++)
        continue;
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        watch_sit(2);
        STEP("uses the library, too");
        make_own(own);
        exit(0);
    }
    STEP("waits for its child");
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    make_own(own);
    exit(0);
}

/* Runs before anything else, while this process has not used the library. */
static void first_uses(int forks)
{
    int number, status;
    for (number = 0; number < forks; number++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            watch_sit(1);
            use_and_fork(number % 100 * 200);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        watch_leave(1);
        watch_leave(2);
    }
    printf("first: %d forks\n", forks);
    fflush(stdout);
}

/* --- One cell. --- */

static pid_t begin_writer(int stop[2])
{
    pid_t pid;
    struct pollfd ended;
    char value[SECRET];
    CHECK(pipe(stop) == 0);
    make(auth, "flips", value, NULL, NULL);
    pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        close(stop[0]);
        return pid;
    }
    watch_sit(WATCHED - 1);
    close(stop[1]);
    ended.fd = stop[0];
    ended.events = POLLIN;
    /* Others may write, too: SQLite's lock is not fair. */
    while (poll(&ended, 1, 2) == 0) {
        set_enabled(auth, "flips", 0);
        GIVES(INVALID_CREDENTIAL, decide(auth, value));
        set_enabled(auth, "flips", 1);
        GIVES(OK, decide(auth, value));
    }
    close_store();
    exit(0);
}

/* What was acknowledged is there and works, in a process that knows nothing yet; what was revoked is not. */
static void look_back(int forks)
{
    inspire_key_filter filter = INSPIRE_KEY_FILTER_INIT;
    inspire_keys *keys = NULL;
    size_t at, found = 0, expected = cell->raw ? 0 : (size_t)forks;
    open_store();
    GIVES(OK, inspire_key_list(auth, &filter, &keys, NULL));
    for (at = 0; at < inspire_keys_count(keys); at++) {
        const char *name = inspire_key_name(inspire_keys_at(keys, at)).data;
        if (strncmp(name, "made-", 5) == 0)
            found++;
        else
            CHECK(strcmp(name, "warm") == 0 || strcmp(name, "chosen") == 0 || strcmp(name, "flips") == 0);
    }
    CHECK(found == expected);
    inspire_keys_free(keys);
    GIVES(OK, decide(auth, warm));
    GIVES(OK, decide(auth, chosen));
    close_store();
}

static void run_cell(const struct cell *which, int forks)
{
    pthread_t threads[BUSY_THREADS], forker;
    pid_t writer = 0;
    int at, status, stop[2];
    cell = which;
    snprintf(store, sizeof store, "fork-%s.db", cell->name);
    done = 0;
    made_count = 0;
    open_store();
    make(auth, "warm", warm, NULL, NULL);
    import_chosen();
    GIVES(OK, decide(auth, warm));
    if (cell->writer)
        writer = begin_writer(stop);
    for (at = 0; cell->busy != NULL && at < BUSY_THREADS; at++)
        CHECK(pthread_create(&threads[at], NULL, cell->busy, (void *)(size_t)at) == 0);
    if (cell->from_a_thread) {
        CHECK(pthread_create(&forker, NULL, all_rounds, &forks) == 0);
        CHECK(pthread_join(forker, NULL) == 0);
    } else {
        all_rounds(&forks);
    }
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    STEP("ends the threads");
    for (at = 0; cell->busy != NULL && at < BUSY_THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    if (writer > 0) {
        close(stop[1]);
        CHECK(waitpid(writer, &status, 0) == writer);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        watch_leave(WATCHED - 1);
    }
    close_store();
    all_differ();
    look_back(forks);
    /* Nobody but the watchdog is left, dead or alive. */
    CHECK(waitpid(-1, &status, WNOHANG) == 0);
    printf("%s: %d forks, %zu random values\n", cell->name, forks, made_count);
    fflush(stdout);
}

int main(int count, char **arguments)
{
    const size_t cells = sizeof CELLS / sizeof *CELLS;
    const char *only = count > 2 ? arguments[2] : NULL;
    int forks = count > 1 ? atoi(arguments[1]) : A_FEW;
    size_t at, ran = 0;
    if (count > 1 && strcmp(arguments[1], "--list") == 0) {
        puts("first");
        for (at = 0; at < cells; at++)
            puts(CELLS[at].name);
        return 0;
    }
    CHECK(forks > 0);
    watch_begin(getenv("INSPIRE_SOAK") != NULL ? PATIENCE_ALONE : PATIENCE);
    CHECK(atexit(at_exit) == 0);
    if (only == NULL || strcmp(only, "first") == 0) {
        first_uses(forks);
        ran++;
    }
    for (at = 0; at < cells; at++) {
        if (only != NULL && strcmp(only, CELLS[at].name) != 0)
            continue;
        run_cell(&CELLS[at], forks);
        ran++;
    }
    CHECK(ran > 0);
    free(made);
    watch_end();
    return 0;
}
