/* A watchdog for programs that fork: a process of its own, made before anything else is, which sees whether the others
 * get on. When nobody has for the time it was given, it says where each of their threads stands and ends them all. */
#ifndef FORK_WATCH_H
#define FORK_WATCH_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCHED = 8 };

/* Shared by all processes. Texts are literals of the program, at one address in all of them. */
static struct watch {
    unsigned long beats;
    struct {
        pid_t pid;
        const char *step;
    } watched[WATCHED];
} *watch;
static pid_t watchdog;
/* This process's place in the table. */
static int watch_seat;

/* Says that this process got here: call it before whatever might hang. */
static inline void watch_step(const char *step)
{
    __atomic_store_n(&watch->watched[watch_seat].step, step, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&watch->beats, 1, __ATOMIC_SEQ_CST);
}

/* Begins to watch the calling process. Each seat is one process's at a time. */
static inline void watch_sit(int seat)
{
    watch_seat = seat;
    __atomic_store_n(&watch->watched[seat].pid, getpid(), __ATOMIC_SEQ_CST);
    watch_step("started");
}

static inline void watch_leave(int seat)
{
    __atomic_store_n(&watch->watched[seat].pid, 0, __ATOMIC_SEQ_CST);
}

static inline void watch_print(pid_t pid, const char *task, const char *what)
{
    char path[256], text[4096];
    ssize_t length;
    int file;
    snprintf(path, sizeof path, "/proc/%d/task/%s/%s", (int)pid, task, what);
    file = open(path, O_RDONLY | O_CLOEXEC);
    length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    if (length <= 0)
        return;
    text[length] = '\0';
    if (text[length - 1] == '\n')
        text[length - 1] = '\0';
    fprintf(stderr, "    %s: %s\n", what, text);
}

/* Where each thread of each process stands: no debugger needed, or there. */
static inline void watch_describe(void)
{
    int seat;
    for (seat = 0; seat < WATCHED; seat++) {
        pid_t pid = __atomic_load_n(&watch->watched[seat].pid, __ATOMIC_SEQ_CST);
        const char *step = __atomic_load_n(&watch->watched[seat].step, __ATOMIC_SEQ_CST);
        char folder[64];
        struct dirent *task;
        DIR *tasks;
        if (pid == 0)
            continue;
        fprintf(stderr, "process %d (%s), last step: %s\n", (int)pid, seat == 0 ? "parent" : "child", step);
        snprintf(folder, sizeof folder, "/proc/%d/task", (int)pid);
        tasks = opendir(folder);
        while (tasks != NULL && (task = readdir(tasks)) != NULL) {
            if (task->d_name[0] == '.')
                continue;
            fprintf(stderr, "  thread %s\n", task->d_name);
            watch_print(pid, task->d_name, "comm");
            watch_print(pid, task->d_name, "wchan");
            watch_print(pid, task->d_name, "syscall");
            watch_print(pid, task->d_name, "stack");
        }
        if (tasks != NULL)
            closedir(tasks);
    }
}

static inline void watch_over(pid_t parent, int seconds)
{
    unsigned long seen = 0;
    int idle = 0, seat;
    while (getppid() == parent) {
        unsigned long beats = __atomic_load_n(&watch->beats, __ATOMIC_SEQ_CST);
        idle = beats == seen ? idle + 1 : 0;
        seen = beats;
        if (idle >= seconds * 10) {
            fprintf(stderr, "nothing moved for %d seconds: it hangs\n", seconds);
            watch_describe();
            for (seat = 0; seat < WATCHED; seat++) {
                pid_t pid = __atomic_load_n(&watch->watched[seat].pid, __ATOMIC_SEQ_CST);
                if (pid != 0)
                    kill(pid, SIGQUIT);
            }
            poll(NULL, 0, 500);
            for (seat = 0; seat < WATCHED; seat++) {
                pid_t pid = __atomic_load_n(&watch->watched[seat].pid, __ATOMIC_SEQ_CST);
                if (pid != 0)
                    kill(pid, SIGKILL);
            }
            _exit(1);
        }
        poll(NULL, 0, 100);
    }
    _exit(0);
}

/* Begins: the watchdog is the first thing that a program makes. */
static inline void watch_begin(int seconds)
{
    pid_t parent = getpid();
    watch = mmap(NULL, sizeof *watch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (watch == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    watch_sit(0);
    watchdog = fork();
    if (watchdog == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        watch_over(parent, seconds);
    }
}

static inline void watch_end(void)
{
    kill(watchdog, SIGKILL);
    waitpid(watchdog, NULL, 0);
}

#endif
