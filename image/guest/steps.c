/*
 * steps: what a profile does between hand-over and its server, without a shell: makes folders, runs programs in order,
 * and becomes the last one.
 *
 *     steps FILE
 *
 * FILE lies in the verified root file system, a step a line, words separated by spaces, "#" begins a comment line:
 *
 *     unless PATH                    the steps up to `always` only while there is no PATH
 *     always
 *     directory PATH UID GID MODE    made, or given this owner and mode
 *     owner PATH UID GID MODE        the same for what has to be there
 *     user UID GID                   for all that follows; no way back
 *     run PROGRAM ARGUMENT…          has to end with 0
 *     rename OLD NEW
 *     become PROGRAM ARGUMENT…       the last step
 *
 * What is in the volumes decides about `unless` and nothing else here. The first step that fails ends the workload with
 * status 1 and a sentence on the console.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORDS 64

static const char *file;
static unsigned line_number;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "steps: %s line %u: ", file, line_number);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static unsigned number(const char *text, int base)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, base);
    if (errno || end == text || *end || value > 0x7fffffff)
        fail("\"%s\" is no number", text);
    return (unsigned)value;
}

static void give(char **words, int more_flags)
{
    mode_t mode = number(words[4], 8);
    int fd = open(words[1], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | more_flags);

    if (fd < 0 || fchown(fd, number(words[2], 10), number(words[3], 10)) < 0 || fchmod(fd, mode) < 0)
        fail("%s: cannot be given owner and mode: %s", words[1], strerror(errno));
    (void)close(fd);
}

static void make_directory(char **words)
{
    if (mkdir(words[1], 0700) < 0 && errno != EEXIST)
        fail("%s: cannot be made: %s", words[1], strerror(errno));
    give(words, O_DIRECTORY);
}

static void become_user(char **words)
{
    uid_t uid = number(words[1], 10);
    gid_t gid = number(words[2], 10);

    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        fail("user %s cannot be taken: %s", words[1], strerror(errno));
}

static void run(char **words)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        (void)execv(words[1], words + 1);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        fail("%s ended with wait status 0x%x", words[1], (unsigned)status);
}

static size_t split(char *line, char *words[MAX_WORDS + 1])
{
    size_t count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        if (count == MAX_WORDS)
            fail("more than %d words", MAX_WORDS);
        words[count++] = word;
    }
    words[count] = NULL;
    return count;
}

static void step(char **words, size_t count)
{
    if (strcmp(words[0], "directory") == 0 && count == 5) {
        make_directory(words);
    } else if (strcmp(words[0], "owner") == 0 && count == 5) {
        give(words, 0);
    } else if (strcmp(words[0], "user") == 0 && count == 3) {
        become_user(words);
    } else if (strcmp(words[0], "run") == 0 && count > 1) {
        run(words);
    } else if (strcmp(words[0], "rename") == 0 && count == 3) {
        if (rename(words[1], words[2]) < 0)
            fail("%s: cannot become %s: %s", words[1], words[2], strerror(errno));
    } else if (strcmp(words[0], "become") == 0 && count > 1) {
        (void)execv(words[1], words + 1);
        fail("%s: cannot be started: %s", words[1], strerror(errno));
    } else {
        fail("\"%s\" is no step, or has another number of words", words[0]);
    }
}

/* The console, where there is one to write to; a workload starts with none. */
static void open_console(void)
{
    int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
    }
}

int main(int argc, char **argv)
{
    char line[4096], *words[MAX_WORDS + 1];
    int skip = 0;
    FILE *steps;

    open_console();
    file = argc == 2 ? argv[1] : "(usage: steps FILE)";
    steps = argc == 2 ? fopen(file, "re") : NULL;
    if (!steps)
        fail("cannot be read");
    while (fgets(line, sizeof(line), steps)) {
        size_t count;

        line_number++;
        count = line[0] == '#' ? 0 : split(line, words);
        if (count == 2 && strcmp(words[0], "unless") == 0)
            skip = access(words[1], F_OK) == 0;
        else if (count == 1 && strcmp(words[0], "always") == 0)
            skip = 0;
        else if (count && !skip)
            step(words, count);
    }
    fail("ends without `become`");
}
