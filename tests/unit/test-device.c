/*
 * The guest device's two back ends with a kernel that misbehaves: folders and pipes in the place of configfs-tsm, this
 * program's own ioctl() in the place of the driver's. That the real kernel behaves as these do is tests/vm's to show.
 */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "attest/device-back-ends.h"
#include "base/clock.h"
#include "base/cursor.h"

static uint8_t asked[REPORT_DATA_BYTES];
static uint8_t good[REPORT_BYTES];

static int set_up(void **state UNUSED)
{
    random_fill(asked, sizeof(asked));
    random_fill(good, sizeof(good));
    memcpy(good + 0x50, asked, sizeof(asked));
    return 0;
}

/* ---- /dev/sev-guest */

/* What the driver's next calls do. */
static struct step {
    int error; /* errno, 0: success */
    uint32_t firmware, host;
    uint32_t status, size;
    uint32_t needed; /* certs_len, with host 1 */
    bool other_data, certificates, no_key;
} steps[8];
static size_t calls;
static unsigned long commands[64];
static uint32_t lengths[64], levels[64];
static struct snp_derived_key_req key_request;

static void answer_report(const struct step *step, struct snp_report_resp *out)
{
    put_u32le(out->data, step->status);
    put_u32le(out->data + 4, step->size ? step->size : REPORT_BYTES);
    memcpy(out->data + 0x20, good, sizeof(good));
    out->data[0x20 + 0x50] ^= step->other_data;
}

int ioctl(int fd UNUSED, unsigned long command, ...)
{
    const struct step *step = &steps[calls < ARRAY_SIZE(steps) ? calls : ARRAY_SIZE(steps) - 1];
    struct snp_guest_request_ioctl *request;
    va_list arguments;

    va_start(arguments, command);
    request = va_arg(arguments, struct snp_guest_request_ioctl *);
    va_end(arguments);
    assert_int_equal(request->msg_version, 1);
    assert_true(calls < ARRAY_SIZE(commands));
    commands[calls] = command;
    if (command == SNP_GET_DERIVED_KEY) {
        struct snp_derived_key_resp *out = (void *)(uintptr_t)request->resp_data;

        memcpy(&key_request, (const void *)(uintptr_t)request->req_data, sizeof(key_request));
        put_u32le(out->data, step->status);
        memset(out->data + 0x20, step->no_key ? 0 : 0x4b, 32);
    } else {
        struct snp_ext_report_req *in = (void *)(uintptr_t)request->req_data;

        levels[calls] = in->data.vmpl;
        assert_memory_equal(in->data.user_data, asked, sizeof(asked));
        assert_true(all_zero(in->data.rsvd, sizeof(in->data.rsvd)));
        if (command == SNP_GET_EXT_REPORT) {
            lengths[calls] = in->certs_len;
            assert_int_equal(in->certs_address % 4096, 0);
            if (step->certificates)
                memset((void *)(uintptr_t)in->certs_address, 0xc5, in->certs_len);
            if (step->host == SNP_GUEST_VMM_ERR_INVALID_LEN)
                in->certs_len = step->needed;
        }
        answer_report(step, (void *)(uintptr_t)request->resp_data);
    }
    request->fw_error = step->firmware;
    request->vmm_error = step->host;
    calls++;
    errno = step->error;
    return step->error ? -1 : 0;
}

static void plan(const struct step *first, size_t count)
{
    memset(steps, 0, sizeof(steps));
    memcpy(steps, first, count * sizeof(*first));
    calls = 0;
}

#define PLAN(...) plan((const struct step[]){ __VA_ARGS__ }, ARRAY_SIZE(((const struct step[]){ __VA_ARGS__ })))

static int ask(uint64_t wait_ms, struct device_report *to, struct reason *why)
{
    memset(to, 0, sizeof(*to));
    return sev_guest_get_report(7, asked, DEVICE_VMPL_OWN, clock_ms() + wait_ms, to, why);
}

static void test_ioctl_good(void **state UNUSED)
{
    static struct device_report to;
    struct reason why = { "" };

    PLAN({ .error = 0 });
    assert_int_equal(ask(0, &to, &why), 0);
    assert_memory_equal(to.report, good, sizeof(good));
    assert_int_equal(to.certificates_size, 0);
    assert_int_equal(calls, 1);
    assert_int_equal(commands[0], SNP_GET_EXT_REPORT);
    assert_int_equal(lengths[0], CERT_TABLE_MAX_BYTES);
    assert_int_equal(levels[0], 0);
    PLAN({ .certificates = true });
    assert_int_equal(ask(0, &to, &why), 0);
    assert_int_equal(to.certificates_size, CERT_TABLE_MAX_BYTES);
    assert_int_equal(to.certificates[CERT_TABLE_MAX_BYTES - 1], 0xc5);
    PLAN({ .error = 0 });
    assert_int_equal(sev_guest_get_report(7, asked, 3, 0, &to, &why), 0);
    assert_int_equal(levels[0], 3);
}

/* The host says how much room it needs: less than it was given, more than there may be, and more again. */
static void test_ioctl_lengths(void **state UNUSED)
{
    static struct device_report to;
    struct reason why = { "" };

    PLAN({ .error = EIO, .host = 1, .needed = 8192 }, { .certificates = true });
    assert_int_equal(ask(0, &to, &why), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(lengths[1], 8192);
    assert_int_equal(commands[1], SNP_GET_EXT_REPORT);
    assert_int_equal(to.certificates[8191], 0xc5);
    assert_int_equal(to.certificates[8192], 0);
    PLAN({ .error = EIO, .host = 1, .needed = 20480, .certificates = true }, { .error = 0 });
    assert_int_equal(ask(0, &to, &why), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(commands[1], SNP_GET_REPORT);
    assert_int_equal(to.certificates_size, 0);
    PLAN({ .error = EIO, .host = 1, .needed = 4096 }, { .error = EIO, .host = 1, .needed = 8192 }, { .error = 0 });
    assert_int_equal(ask(0, &to, &why), 0);
    assert_int_equal(calls, 3);
    assert_int_equal(commands[2], SNP_GET_REPORT);
    PLAN({ .error = EIO, .host = 1 }, { .error = EIO, .host = 1 });
    assert_int_equal(ask(0, &to, &why), -EIO);
    assert_int_equal(calls, 2);
    assert_reason(&why, "more certificates than there was room for");
}

static void test_ioctl_busy(void **state UNUSED)
{
    static struct device_report to;
    struct reason why = { "" };
    uint64_t start = clock_ms();

    PLAN({ .error = EIO, .host = 2 }, { .error = EAGAIN }, { .error = EINTR }, { .error = 0 });
    assert_int_equal(ask(30000, &to, &why), 0);
    assert_int_equal(calls, 4);
    assert_true(clock_ms() - start >= 1500);
    PLAN({ .error = EIO, .host = 2 });
    memset(steps, 0, sizeof(steps));
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        steps[i] = (struct step){ .error = EIO, .host = 2 };
    start = clock_ms();
    assert_int_equal(ask(700, &to, &why), -EBUSY);
    assert_reason(&why, "the host throttles requests, and did so until the deadline");
    assert_int_equal(calls, 3);
    assert_true(clock_ms() - start >= 700 && clock_ms() - start < 5000);
    PLAN({ .error = EIO, .host = 2 });
    steps[1] = steps[0];
    assert_int_equal(ask(0, &to, &why), -EBUSY);
    assert_int_equal(calls, 1);
}

static void test_ioctl_refusals(void **state UNUSED)
{
    static const struct {
        struct step step;
        int error;
        const char *words;
    } cases[] = {
        { { .error = EIO, .firmware = 0x16 }, -EIO, "status 0x16: a parameter is invalid" },
        { { .error = EIO, .firmware = 0x27 }, -EIO, "status 0x27: the key that was asked for is not there" },
        { { .error = EIO, .firmware = 0x1d }, -EIO, "status 0x1d: the sequence number" },
        { { .error = EIO, .firmware = 0x4711 }, -EIO, "status 0x4711: see the firmware ABI" },
        { { .error = EIO, .host = 7 }, -EIO, "the host refused the request with code 7" },
        { { .error = EIO, .firmware = UINT32_MAX }, -EIO, "the request failed: Input/output error" },
        { { .error = EFAULT, .firmware = 0xff }, -EFAULT, "the request failed: Bad address" },
        { { .error = ENOTTY, .firmware = UINT32_MAX }, -EIO, "the guest's message key is disabled" },
        { { .error = EBADMSG, .firmware = UINT32_MAX }, -EIO, "the guest's message key is disabled" },
        { { .error = ETIMEDOUT, .firmware = UINT32_MAX }, -ETIMEDOUT, "the request failed: Connection timed out" },
        { { .status = 0x16 }, -EIO, "the firmware answered with status 0x16" },
        { { .status = 0x27 }, -EIO, "the firmware answered with status 0x27" },
        { { .size = REPORT_BYTES - 1 }, -EBADMSG, "has 1183 bytes, expected 1184" },
        { { .size = REPORT_BYTES + 1 }, -EBADMSG, "has 1185 bytes, expected 1184" },
        { { .size = UINT32_MAX }, -EBADMSG, "has 4294967295 bytes" },
        { { .other_data = true }, -EBADMSG, "for other data than was asked for" },
    };
    static struct device_report to;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reason why = { "" };

        PLAN(cases[i].step);
        assert_int_equal(ask(0, &to, &why), cases[i].error);
        assert_reason(&why, cases[i].words);
        assert_int_equal(calls, 1);
        assert_true(all_zero(to.report, sizeof(to.report)));
    }
}

/* Every status has words of its own, and none of them is the general one. */
static void test_statuses(void **state UNUSED)
{
    const char *general = firmware_status_text(0xffff);

    for (uint32_t a = 0; a <= 0x27; a++)
        for (uint32_t b = 0; b < a; b++)
            if (a != 0x1e && b != 0x1e)
                assert_string_not_equal(firmware_status_text(a), firmware_status_text(b));
    assert_ptr_equal(firmware_status_text(0x1e), general);
    assert_ptr_equal(firmware_status_text(0x28), general);
    assert_ptr_equal(firmware_status_text(UINT32_MAX), general);
}

static void test_derived_key(void **state UNUSED)
{
    const struct device_key_request wanted = { .vmrk = true,
                                               .fields = DEVICE_KEY_POLICY | DEVICE_KEY_TCB_VERSION,
                                               .vmpl = 2,
                                               .guest_svn = 5,
                                               .tcb_version = UINT64_C(0xdb18000000000004) };
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct reason why = { "" };

    PLAN({ .error = 0 });
    assert_int_equal(sev_guest_derive_key(7, &wanted, 0, &key, &why), 0);
    assert_int_equal(key.size, 32);
    assert_int_equal(key.bytes[0], 0x4b);
    assert_int_equal(commands[0], SNP_GET_DERIVED_KEY);
    assert_int_equal(key_request.root_key_select, 1);
    assert_int_equal(key_request.rsvd, 0);
    assert_int_equal(key_request.guest_field_select, 0x21);
    assert_int_equal(key_request.vmpl, 2);
    assert_int_equal(key_request.guest_svn, 5);
    assert_true(key_request.tcb_version == UINT64_C(0xdb18000000000004));
    secret_free(&key);
    PLAN({ .status = 0x16 });
    assert_int_equal(sev_guest_derive_key(7, &wanted, 0, &key, &why), -EIO);
    assert_reason(&why, "status 0x16: a parameter is invalid");
    PLAN({ .no_key = true });
    assert_int_equal(sev_guest_derive_key(7, &wanted, 0, &key, &why), -EBADMSG);
    assert_reason(&why, "all zero");
    PLAN({ .error = EIO, .host = 2 });
    assert_int_equal(sev_guest_derive_key(7, &wanted, 0, &key, &why), -EBUSY);
    assert_null(key.bytes);
}

/* ---- configfs-tsm: an item is a folder whose attributes are files, outblob a pipe when something happens meanwhile */

struct item {
    char path[64];
    int fd;
};

static void put(const struct item *item, const char *name, const void *data, size_t size)
{
    int fd = openat(item->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    (void)close(fd);
}

static void put_text(const struct item *item, const char *name, const char *text)
{
    put(item, name, text, strlen(text));
}

/* As the kernel's after both of our writes. */
static struct item make_item(void)
{
    struct item item = { .path = "/tmp/test-device.XXXXXX" };

    assert_non_null(mkdtemp(item.path));
    item.fd = open(item.path, O_RDONLY | O_DIRECTORY);
    assert_true(item.fd >= 0);
    put_text(&item, "provider", "sev_guest\n");
    put_text(&item, "privlevel_floor", "0\n");
    put_text(&item, "privlevel", "");
    put_text(&item, "inblob", "");
    put_text(&item, "generation", "2\n");
    put(&item, "outblob", good, sizeof(good));
    put(&item, "auxblob", "table", 5);
    return item;
}

static void remove_item(struct item *item)
{
    DIR *folder = fdopendir(item->fd);
    struct dirent *entry;

    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
    (void)closedir(folder);
    assert_int_equal(rmdir(item->path), 0);
}

static void expect_text(const struct item *item, const char *name, const void *text, size_t size)
{
    uint8_t found[128];
    int fd = openat(item->fd, name, O_RDONLY);

    assert_int_equal(read(fd, found, sizeof(found)), size);
    assert_memory_equal(found, text, size);
    (void)close(fd);
}

static void test_tsm_good(void **state UNUSED)
{
    static struct device_report to;
    struct item item = make_item();
    struct reason why = { "" };

    assert_int_equal(tsm_exchange(item.fd, asked, DEVICE_VMPL_OWN, 0, &to, &why), 0);
    assert_memory_equal(to.report, good, sizeof(good));
    assert_int_equal(to.certificates_size, 5);
    assert_memory_equal(to.certificates, "table", 5);
    assert_int_equal(to.back_end, DEVICE_TSM);
    expect_text(&item, "privlevel", "0", 1);
    expect_text(&item, "inblob", asked, sizeof(asked));
    /* A floor above zero is what this guest may ask for; a higher level is as well. */
    put_text(&item, "privlevel_floor", "2\n");
    assert_int_equal(tsm_exchange(item.fd, asked, DEVICE_VMPL_OWN, 0, &to, &why), 0);
    expect_text(&item, "privlevel", "2", 1);
    assert_int_equal(tsm_exchange(item.fd, asked, 3, 0, &to, &why), 0);
    expect_text(&item, "privlevel", "3", 1);
    /* No certificates, in the two ways in which there can be none. */
    put(&item, "auxblob", "", 0);
    assert_int_equal(tsm_exchange(item.fd, asked, 3, 0, &to, &why), 0);
    assert_int_equal(to.certificates_size, 0);
    assert_int_equal(unlinkat(item.fd, "auxblob", 0), 0);
    assert_int_equal(tsm_exchange(item.fd, asked, 3, 0, &to, &why), 0);
    assert_int_equal(to.certificates_size, 0);
    /* A kernel without levels: one write, and no other level than 0. */
    assert_int_equal(unlinkat(item.fd, "privlevel_floor", 0), 0);
    put_text(&item, "generation", "1\n");
    assert_int_equal(tsm_exchange(item.fd, asked, DEVICE_VMPL_OWN, 0, &to, &why), 0);
    assert_int_equal(tsm_exchange(item.fd, asked, 1, 0, &to, &why), -ENOENT);
    remove_item(&item);
}

/* A certificate table as large as any that may be, and one byte more: the host's excess costs the table alone. */
static void test_tsm_large_table(void **state UNUSED)
{
    static struct device_report to;
    static uint8_t table[CERT_TABLE_MAX_BYTES + 1];
    struct item item = make_item();
    struct reason why = { "" };

    memset(table, 0xee, sizeof(table));
    put(&item, "auxblob", table, CERT_TABLE_MAX_BYTES);
    assert_int_equal(tsm_exchange(item.fd, asked, 0, 0, &to, &why), 0);
    assert_int_equal(to.certificates_size, CERT_TABLE_MAX_BYTES);
    put(&item, "auxblob", table, CERT_TABLE_MAX_BYTES + 1);
    assert_int_equal(tsm_exchange(item.fd, asked, 0, 0, &to, &why), 0);
    assert_int_equal(to.certificates_size, 0);
    remove_item(&item);
}

static void test_tsm_refusals(void **state UNUSED)
{
    static const struct {
        const char *name, *text;
        uint32_t vmpl;
        int error;
        const char *words;
    } cases[] = {
        { "generation", "1\n", 0, -EAGAIN, "changed meanwhile: generation 1, expected 2" },
        { "generation", "3\n", 0, -EAGAIN, "changed meanwhile: generation 3, expected 2" },
        { "generation", "-2\n", 0, -EBADMSG, "generation is not a number" },
        { "generation", "", 0, -EBADMSG, "generation is not a number" },
        { "generation", "\n", 0, -EBADMSG, "generation is not a number" },
        { "generation", "36893488147419103234\n", 0, -EBADMSG, "generation is not a number" },
        { "privlevel_floor", "x", 0, -EBADMSG, "privlevel_floor is not a number" },
        { "privlevel_floor", "4\n", 0, -EBADMSG, "privlevel_floor is 4, expected 0 to 3" },
        { "privlevel_floor", "2\n", 1, -EINVAL, "VMPL 1 was asked for, this guest may ask for 2 and above" },
        { "outblob", "", 0, -EBADMSG, "the report has 0 bytes, expected 1184" },
        { "outblob", "short", 0, -EBADMSG, "the report has 5 bytes, expected 1184" },
    };
    static struct device_report to;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct item item = make_item();
        struct reason why = { "" };

        put_text(&item, cases[i].name, cases[i].text);
        assert_int_equal(tsm_exchange(item.fd, asked, cases[i].vmpl, 0, &to, &why), cases[i].error);
        assert_reason(&why, cases[i].words);
        remove_item(&item);
    }
}

static void test_tsm_bad_reports(void **state UNUSED)
{
    static struct device_report to;
    struct item item = make_item();
    struct reason why = { "" };
    uint8_t blob[REPORT_BYTES + 1] = { 0 };

    memcpy(blob, good, sizeof(good));
    put(&item, "outblob", blob, REPORT_BYTES + 1);
    assert_int_equal(tsm_exchange(item.fd, asked, 0, 0, &to, &why), -EBADMSG);
    assert_reason(&why, "more than 1184 bytes");
    put(&item, "outblob", blob, REPORT_BYTES - 1);
    assert_int_equal(tsm_exchange(item.fd, asked, 0, 0, &to, &why), -EBADMSG);
    assert_reason(&why, "the report has 1183 bytes");
    blob[0x50 + 63] ^= 1;
    put(&item, "outblob", blob, REPORT_BYTES);
    assert_int_equal(tsm_exchange(item.fd, asked, 0, 0, &to, &why), -EBADMSG);
    assert_reason(&why, "other data than was asked for");
    assert_int_equal(unlinkat(item.fd, "outblob", 0), 0);
    assert_int_equal(tsm_exchange(item.fd, asked, 0, 0, &to, &why), -ENOENT);
    assert_reason(&why, "no report: No such file");
    remove_item(&item);
}

/* Somebody writes while the report is being made: all that is read is right but for the second look at the generation. */
static void *race(void *argument)
{
    const struct item *item = argument;
    int fd = openat(item->fd, "outblob", O_WRONLY);

    put_text(item, "generation", "3\n");
    assert_int_equal(write(fd, good, sizeof(good)), sizeof(good));
    (void)close(fd);
    return NULL;
}

static void test_tsm_race(void **state UNUSED)
{
    static struct device_report to;
    struct item item = make_item();
    struct reason why = { "" };
    pthread_t writer;

    assert_int_equal(unlinkat(item.fd, "outblob", 0), 0);
    assert_int_equal(mkfifoat(item.fd, "outblob", 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, race, &item), 0);
    assert_int_equal(tsm_exchange(item.fd, asked, 0, 0, &to, &why), -EAGAIN);
    assert_reason(&why, "changed meanwhile: generation 3, expected 2");
    (void)pthread_join(writer, NULL);
    remove_item(&item);
}

/* ---- both together */

static void test_no_way(void **state UNUSED)
{
    const struct device_paths paths = { "/nonexistent/tsm", "/nonexistent/sev-guest" };
    struct device_request request = { PURPOSE_SELF, "test", "", 0, DEVICE_VMPL_OWN };
    static struct device_report to;
    struct reason why = { "" };
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct device_key_request key_wanted = { .fields = 0x40 };

    assert_int_equal(device_get_report(&request, &paths, 0, &to, &why), -ENODEV);
    assert_reason(&why, "/nonexistent/sev-guest: No such file or directory: not an SEV-SNP guest");
    assert_reason(&why, "there is no configfs-tsm: /nonexistent/tsm");
    request.vmpl = 4;
    assert_int_equal(device_get_report(&request, &paths, 0, &to, &why), -EINVAL);
    assert_reason(&why, "VMPL 4, expected 0 to 3");
    request = (struct device_request){ PURPOSE_CHOSEN, NULL, asked, sizeof(asked), 0 };
    memset(asked + 48, 0, 16);
    assert_int_equal(device_get_report(&request, &paths, 0, &to, &why), -EPERM);
    assert_reason(&why, "ends in 16 zero bytes");
    assert_int_equal(device_derive_key(&key_wanted, &paths, 0, &key, &why), -EINVAL);
    assert_reason(&why, "fields 0x40, expected bits of 0x3f");
    key_wanted = (struct device_key_request){ .vmpl = 4 };
    assert_int_equal(device_derive_key(&key_wanted, &paths, 0, &key, &why), -EINVAL);
    assert_reason(&why, "VMPL 4, expected 0 to 3");
    key_wanted.vmpl = 3;
    assert_int_equal(device_derive_key(&key_wanted, &paths, 0, &key, &why), -ENODEV);
}

/* A plain folder is no configfs: items in it have no provider, so the device is asked, and the item is gone again. */
static void test_fall_back(void **state UNUSED)
{
    struct item folder = make_item();
    const struct device_paths paths = { folder.path, "/dev/null" };
    const struct device_request request = { PURPOSE_CHOSEN, NULL, asked, sizeof(asked), 2 };
    static struct device_report to;
    struct reason why = { "" };
    struct dirent *entry;
    DIR *listing;

    PLAN({ .certificates = true });
    assert_int_equal(device_get_report(&request, &paths, 0, &to, &why), 0);
    assert_int_equal(to.back_end, DEVICE_IOCTL);
    assert_int_equal(levels[0], 2);
    assert_reason(&to.passed_over, "configfs-tsm has no provider");
    assert_string_equal(device_back_end_name(to.back_end), "/dev/sev-guest");
    assert_string_equal(device_back_end_name(DEVICE_TSM), "configfs-tsm");
    PLAN({ .error = EIO, .firmware = 0x16 });
    assert_int_equal(device_get_report(&request, &paths, 0, &to, &why), -EIO);
    assert_reason(&why, "status 0x16");
    assert_reason(&why, "configfs-tsm has no provider");
    listing = opendir(folder.path);
    while ((entry = readdir(listing)))
        assert_true(strncmp(entry->d_name, "postern-", 8) != 0);
    (void)closedir(listing);
    remove_item(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ioctl_good, set_up),      cmocka_unit_test_setup(test_ioctl_lengths, set_up),
        cmocka_unit_test_setup(test_ioctl_busy, set_up),      cmocka_unit_test_setup(test_ioctl_refusals, set_up),
        cmocka_unit_test(test_statuses),                      cmocka_unit_test_setup(test_derived_key, set_up),
        cmocka_unit_test_setup(test_tsm_good, set_up),        cmocka_unit_test_setup(test_tsm_large_table, set_up),
        cmocka_unit_test_setup(test_tsm_refusals, set_up),    cmocka_unit_test_setup(test_tsm_bad_reports, set_up),
        cmocka_unit_test_setup(test_tsm_race, set_up),        cmocka_unit_test_setup(test_no_way, set_up),
        cmocka_unit_test_setup(test_fall_back, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
