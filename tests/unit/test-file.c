/* base/file: limits, exact reads, and writes that are there entirely or not at all. */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"

static char directory[] = "/tmp/postern-test-file.XXXXXX";

static int make_directory(void **state UNUSED)
{
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state UNUSED)
{
    return rmdir(directory); /* fails when a test has left something behind */
}

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void put(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static size_t entries_in(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    assert_int_equal(closedir(dir), 0);
    return count - 2;
}

static void reads_whole_files(void **state UNUSED)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8191, 8192, 100000 };
    static uint8_t wanted[100000];
    const char *path = path_of("f");

    random_fill(wanted, sizeof(wanted));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct reason why = { "" };
        uint8_t *data = NULL;
        size_t size = 77;

        put(path, wanted, sizes[i]);
        assert_int_equal(file_read(path, sizes[i], &data, &size, &why), 0); /* exactly the limit */
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(data, wanted, size);
        assert_int_equal(data[size], 0);
        assert_string_equal(why.text, "");
        free(data);
        assert_int_equal(file_read(path, 1000000, &data, &size, &why), 0);
        assert_int_equal(size, sizes[i]);
        free(data);
    }
    assert_int_equal(unlink(path), 0);
}

static void refuses_larger_files(void **state UNUSED)
{
    static const uint8_t bytes[10000];
    static const size_t limits[] = { 0, 1, 4095, 4096, 4097, 9999 };
    const char *path = path_of("f");

    put(path, bytes, sizeof(bytes));
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        struct reason why = { "" };
        uint8_t *data = NULL;
        size_t size = 77;

        assert_int_equal(file_read(path, limits[i], &data, &size, &why), -EFBIG);
        assert_reason(&why, path);
        assert_reason(&why, "larger than");
        assert_null(data);
        assert_int_equal(size, 77);
    }
    assert_int_equal(unlink(path), 0);
    /* A device does not end at all. */
    {
        struct reason why = { "" };
        uint8_t *data = NULL;
        size_t size;

        assert_int_equal(file_read("/dev/zero", 5000, &data, &size, &why), -EFBIG);
    }
}

static void names_what_cannot_be_read(void **state UNUSED)
{
    struct reason why = { "" };
    uint8_t *data = NULL;
    size_t size;

    assert_int_equal(file_read(path_of("absent"), 10, &data, &size, &why), -ENOENT);
    assert_reason(&why, "absent: cannot be opened: No such file or directory");
    assert_int_equal(file_read(directory, 10, &data, &size, &why), -EISDIR);
    assert_reason(&why, "cannot be read: Is a directory");
    assert_int_equal(file_read("/proc/self/mem", 10, &data, &size, &why), -EIO);
    assert_reason(&why, "/proc/self/mem: cannot be read");
    assert_null(data);
}

/* Files of /proc say that they are empty. */
static void does_not_wait_for_pipes(void **state UNUSED)
{
    const char *path = path_of("pipe");
    struct reason why = { "" };
    uint8_t *data = NULL;
    size_t size = 0;

    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_read(path, 100, &data, &size, &why), -ESPIPE);
    assert_reason(&why, "is a pipe, expected a file");
    assert_int_equal(unlink(path), 0);
}

static void reads_files_without_a_size(void **state UNUSED)
{
    struct reason why = { "" };
    uint8_t *data = NULL;
    size_t size = 0;

    assert_int_equal(file_read("/proc/self/status", 65536, &data, &size, &why), 0);
    assert_true(size > 100);
    free(data);
}

static void writes_new_and_old_files(void **state UNUSED)
{
    static const unsigned modes[] = { 0600, 0644, 0400 };
    const char *path = path_of("out");
    mode_t mask = umask(077);

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        struct reason why = { "" };
        struct stat status;
        uint8_t *data = NULL;
        char text[16];
        size_t size;

        (void)snprintf(text, sizeof(text), "number %zu", i);
        assert_int_equal(file_write(path, modes[i], text, strlen(text), &why), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, modes[i]); /* whatever the mask */
        assert_int_equal(file_read(path, 100, &data, &size, &why), 0);
        assert_string_equal((char *)data, text);
        free(data);
        assert_int_equal(entries_in(directory), 1);
    }
    (void)umask(mask);
    assert_int_equal(unlink(path), 0);
}

static void writes_beside_a_name_without_a_directory(void **state UNUSED)
{
    struct reason why = { "" };
    char back[512];

    assert_non_null(getcwd(back, sizeof(back)));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(file_write("plain", 0600, "x", 1, &why), 0);
    assert_int_equal(access("plain", F_OK), 0);
    assert_int_equal(unlink("plain"), 0);
    assert_int_equal(chdir(back), 0);
}

/* A symbolic link is replaced, not followed. */
static void replaces_links(void **state UNUSED)
{
    const char *path = path_of("link"), *target = path_of("target");
    struct reason why = { "" };
    struct stat status;

    put(target, "old", 3);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(file_write(path, 0600, "new", 3, &why), 0);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(stat(target, &status), 0);
    assert_int_equal(status.st_size, 3);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(target), 0);
}

static void names_what_cannot_be_written(void **state UNUSED)
{
    struct reason why = { "" };

    assert_int_equal(file_write(path_of("absent/f"), 0600, "x", 1, &why), -ENOENT);
    assert_reason(&why, "absent/f: cannot be created: No such file or directory");
    assert_int_equal(mkdir(path_of("dir"), 0700), 0);
    assert_int_equal(file_write(path_of("dir"), 0600, "x", 1, &why), -EISDIR);
    assert_reason(&why, "dir: cannot be written: Is a directory");
    assert_int_equal(entries_in(directory), 1); /* no temporary stays */
    assert_int_equal(rmdir(path_of("dir")), 0);
}

#define OLD "the old contents"

/* In a child: a write that runs out of room leaves the old file and no temporary. Exits with 7 when all is well. */
static void write_too_much(const char *path, int expected)
{
    static uint8_t much[1 << 20];
    struct reason why = { "" };
    uint8_t *data = NULL;
    size_t size;

    if (file_write(path, 0600, OLD, strlen(OLD), &why) < 0)
        _exit(2);
    if (file_write(path, 0600, much, sizeof(much), &why) != expected || !strstr(why.text, "cannot be written"))
        _exit(3);
    if (file_read(path, 100, &data, &size, &why) < 0 || strcmp((char *)data, OLD) != 0)
        _exit(4);
    free(data);
}

static void write_to_a_small_file_system(void *argument UNUSED)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", directory, "tmpfs", 0, "size=64k") < 0)
        _exit(1);
    write_too_much(path_of("f"), -ENOSPC);
    _exit(entries_in(directory) == 1 ? 7 : 5);
}

static void keeps_the_old_file_when_the_disk_is_full(void **state UNUSED)
{
    int status = in_child(write_to_a_small_file_system, NULL);

    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 1)
        skip(); /* needs to mount */
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void write_above_the_limit(void *argument UNUSED)
{
    const struct rlimit limit = { 4096, 4096 };

    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) < 0)
        _exit(1);
    write_too_much(path_of("f"), -EFBIG);
    _exit(entries_in(directory) == 1 && unlink(path_of("f")) == 0 ? 7 : 5);
}

static void keeps_the_old_file_when_it_may_not_grow(void **state UNUSED)
{
    int status = in_child(write_above_the_limit, NULL);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void reads_exactly(void **state UNUSED)
{
    CLEANUP_FD int fd = -1;
    const char *path = path_of("f");
    char text[8] = "";

    put(path, "abcdef", 6);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_exact(fd, text, 4), 0);
    assert_memory_equal(text, "abcd", 4);
    assert_int_equal(fd_read_exact(fd, text, 0), 0);
    assert_int_equal(fd_read_exact(fd, text, 3), -ENODATA);
    assert_int_equal(fd_read_at(fd, 1, text, 3), 0);
    assert_memory_equal(text, "bcd", 3);
    assert_int_equal(fd_read_at(fd, 4, text, 3), -ENODATA);
    assert_int_equal(fd_read_at(fd, 6, text, 0), 0);
    assert_int_equal(fd_read_at(fd, UINT64_MAX, text, 1), -EINVAL);
    fd_close(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(fd_read_exact(fd, text, 1), -EBADF);
    assert_int_equal(fd_read_at(fd, 0, text, 1), -EBADF);
    assert_int_equal(unlink(path), 0);
}

static void on_alarm(int signal UNUSED)
{
}

/* A pipe takes and gives bytes in pieces, and signals interrupt it. */
static void moves_everything_through_a_pipe(void **state UNUSED)
{
    static uint8_t sent[300000], got[300000];
    const struct sigaction action = { .sa_handler = on_alarm };
    int ends[2];
    pid_t child;

    random_fill(sent, sizeof(sent));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (sigaction(SIGALRM, &action, NULL) < 0 || ualarm(500, 500) == (useconds_t)-1)
            _exit(1);
        _exit(fd_write_all(ends[1], sent, sizeof(sent)) == 0 ? 7 : 8);
    }
    fd_close(&ends[1]);
    assert_int_equal(fd_read_exact(ends[0], got, 100000), 0);
    (void)usleep(20000); /* the writer waits and is interrupted */
    assert_int_equal(fd_read_exact(ends[0], got + 100000, 200000), 0);
    assert_memory_equal(got, sent, sizeof(sent));
    assert_int_equal(fd_read_exact(ends[0], got, 1), -ENODATA);
    fd_close(&ends[0]);
    {
        int status;

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), 7);
    }
}

static void passes_write_errors_on(void **state UNUSED)
{
    CLEANUP_FD int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_true(full >= 0);
    assert_int_equal(fd_write_all(full, "x", 1), -ENOSPC);
    assert_int_equal(fd_write_all(full, "", 0), 0);
    assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
}

static void closes_and_gives_away(void **state UNUSED)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), taken;

    taken = fd_take(&fd);
    assert_true(taken >= 0);
    assert_int_equal(fd, -1);
    errno = ENOTTY;
    fd_close(&fd); /* nothing to do */
    fd_close(&taken);
    assert_int_equal(errno, ENOTTY);
    assert_int_equal(fd_take(&taken), -1);
}

static void pokes_values(void **state UNUSED)
{
    const char *path = path_of("value");
    struct reason why = { "" };
    uint8_t *data = NULL;
    size_t size;

    assert_int_equal(file_poke(path, "1"), -ENOENT); /* only what exists */
    put(path, "", 0);
    assert_int_equal(file_poke(path, "42"), 0);
    assert_int_equal(file_read(path, 10, &data, &size, &why), 0);
    assert_string_equal((char *)data, "42");
    free(data);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(file_poke("/dev/full", "1"), -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_files),
        cmocka_unit_test(refuses_larger_files),
        cmocka_unit_test(names_what_cannot_be_read),
        cmocka_unit_test(does_not_wait_for_pipes),
        cmocka_unit_test(reads_files_without_a_size),
        cmocka_unit_test(writes_new_and_old_files),
        cmocka_unit_test(writes_beside_a_name_without_a_directory),
        cmocka_unit_test(replaces_links),
        cmocka_unit_test(names_what_cannot_be_written),
        cmocka_unit_test(keeps_the_old_file_when_the_disk_is_full),
        cmocka_unit_test(keeps_the_old_file_when_it_may_not_grow),
        cmocka_unit_test(reads_exactly),
        cmocka_unit_test(moves_everything_through_a_pipe),
        cmocka_unit_test(passes_write_errors_on),
        cmocka_unit_test(closes_and_gives_away),
        cmocka_unit_test(pokes_values),
    };

    return cmocka_run_group_tests_name("file", tests, make_directory, remove_directory);
}
