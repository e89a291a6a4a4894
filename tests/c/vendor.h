/* A vendor for tests of online licensing: the reference licensing server, in a process of its own, and a license on it.
 * For C and C++; whoever includes it has defined CHECK, and asked for POSIX. It works in the current folder. */
#ifndef VENDOR_H
#define VENDOR_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

typedef struct vendor {
    /* The program `inspire-auth`. */
    const char *cli;
    /* The server's process; 0 when it does not run. */
    pid_t server;
    /* Where it is, also when it does not run, and the key that it signs with. */
    char url[128];
    char public_key[80];
    /* A license for one machine, with the entitlement MFA and 100 credits a month: its id, and its key. */
    char license[80];
    char license_key[80];
} vendor;

/* The server that is to end with the program, however that ends. */
static pid_t vendor_left;

static inline void vendor_leave(void)
{
    if (vendor_left > 0)
        kill(vendor_left, SIGKILL);
}

/* Starts the command line with these words (NULL behind them), and says where its output can be read. */
static inline pid_t vendor_spawn(const vendor *of, const char *const *words, FILE **output)
{
    const char *command[24] = {of->cli, "--json"};
    int ends[2];
    size_t at;
    pid_t child;
    for (at = 0; words[at] != NULL; at++) {
        CHECK(at < 20);
        command[at + 2] = words[at];
    }
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execv(of->cli, (char *const *)command);
        _exit(127);
    }
    close(ends[1]);
    *output = fdopen(ends[0], "r");
    CHECK(*output != NULL);
    return child;
}

static inline int vendor_wait(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        CHECK(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The string behind "name": in a JSON document, as far as tests need it. */
static inline void vendor_text(const char *document, const char *name, char *text, size_t room)
{
    char member[40];
    const char *at;
    size_t length;
    snprintf(member, sizeof member, "\"%s\":", name);
    at = strstr(document, member);
    CHECK(at != NULL);
    at += strlen(member) + strspn(at + strlen(member), " ");
    CHECK(*at == '"');
    length = strcspn(++at, "\"");
    CHECK(length < room);
    memcpy(text, at, length);
    text[length] = '\0';
}

/* Runs the command line, which must succeed; returns what it wrote, until the next call. */
static inline const char *vendor_run(const vendor *of, const char *const *words)
{
    static char document[16384];
    FILE *output;
    pid_t child = vendor_spawn(of, words, &output);
    size_t length = fread(document, 1, sizeof document - 1, output);
    document[length] = '\0';
    fclose(output);
    CHECK(vendor_wait(child) == 0);
    return document;
}

/* `issuer license VERB` with up to two more words, on the license. */
static inline const char *vendor_change(const vendor *of, const char *verb, const char *option, const char *value)
{
    const char *words[] = {"issuer", "license", verb, "--db", "licenses.db", of->license, option, value, NULL};
    return vendor_run(of, words);
}

/* Whether a machine uses the license. */
static inline int vendor_has_machine(const vendor *of)
{
    return strstr(vendor_change(of, "show", NULL, NULL), "\"fingerprint\"") != NULL;
}

/* Starts the server, where it was before if it was. `fail` spoils its next answers; it may be NULL. */
static inline void vendor_start(vendor *of, const char *fail)
{
    char address[128] = "127.0.0.1:0", line[512];
    const char *words[] = {"issuer",   "serve", "--db",                         "licenses.db", "--key", "acme.key",
                           "--listen", address, fail != NULL ? "--fail" : NULL, fail,          NULL};
    FILE *output;
    if (of->url[0] != '\0') {
        strcpy(address, of->url + strlen("http://"));
        address[strcspn(address, "/")] = '\0';
    }
    of->server = vendor_left = vendor_spawn(of, words, &output);
    CHECK(fgets(line, sizeof line, output) != NULL);
    fclose(output);
    vendor_text(line, "url", of->url, sizeof of->url);
    vendor_text(line, "public_key", of->public_key, sizeof of->public_key);
}

static inline void vendor_stop(vendor *of)
{
    kill(of->server, SIGTERM);
    CHECK(vendor_wait(of->server) == 0);
    of->server = vendor_left = 0;
}

/* A signing key, a license, and the server. */
static inline void vendor_open(vendor *of, const char *cli)
{
    static const char *const keygen[] = {"issuer", "keygen", "--out-dir", ".", "--id", "acme", NULL};
    static const char *const create[] = {"issuer",    "license", "create",  "--db",
                                         "licenses.db", "--max-machines", "1", "--entitle",
                                         "MFA",       "--limit", "AI_CREDITS_MONTHLY=100", "--limit",
                                         "MAX_DISPLAYS=10", "--expires", "365d", NULL};
    const char *made;
    memset(of, 0, sizeof *of);
    of->cli = cli;
    atexit(vendor_leave);
    vendor_run(of, keygen);
    made = vendor_run(of, create);
    vendor_text(made, "id", of->license, sizeof of->license);
    vendor_text(made, "key", of->license_key, sizeof of->license_key);
    vendor_start(of, NULL);
}

/* Sends this to a port of this machine, and reads until it closes; to be freed. NULL when nobody is there. */
static inline char *vendor_exchange(int port, const char *data, size_t length, size_t *got)
{
    struct sockaddr_in to;
    char *answer = NULL;
    ssize_t count;
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(stream >= 0);
    *got = 0;
    if (connect(stream, (struct sockaddr *)&to, sizeof to) == 0) {
        while (length > 0) {
            count = write(stream, data, length);
            CHECK(count > 0);
            data += count;
            length -= (size_t)count;
        }
        do {
            answer = (char *)realloc(answer, *got + 4096);
            CHECK(answer != NULL);
            count = read(stream, answer + *got, 4095);
            CHECK(count >= 0);
            *got += (size_t)count;
            answer[*got] = '\0';
        } while (count > 0);
    }
    close(stream);
    return answer;
}

#endif
