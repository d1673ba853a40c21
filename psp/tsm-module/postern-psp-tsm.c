// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests, never in a production image: makes the kernel's own configfs-tsm ask the software secure processor. A
 * module of Debian's kernel, a part of our own for tests.
 *
 * It is a character device on which the shim (psp/shim/) takes requests and puts answers, and from when that is opened
 * a provider by the name of sev_guest: a guest whose shim does not open it has no provider. One request is under way at
 * a time, as with the genuine provider. Frames of the device:
 *
 *     read    u32 id, u32 privilege level, 64 bytes inblob
 *     write   u32 id, u32 errno (0: good), u32 size of outblob, u32 size of auxblob, outblob, auxblob
 *
 * The shim relays what the host sent; sizes are bounded here, contents are passed on as they are: what reads them in
 * user space is what is being tested.
 */
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/tsm.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define OUTBLOB_MAX_BYTES SZ_8K
#define AUXBLOB_MAX_BYTES SZ_32K
#define ANSWER_TIMEOUT (60 * HZ)

struct request_frame {
    u32 id;
    u32 level;
    u8 inblob[TSM_INBLOB_MAX];
};

struct answer_frame {
    u32 id;
    u32 error;
    u32 outblob_size;
    u32 auxblob_size;
};

enum state { IDLE, ASKED, TAKEN, ANSWERED };

static DEFINE_MUTEX(lock); /* guards all below */
static DECLARE_WAIT_QUEUE_HEAD(changed);
static enum state state;
static struct request_frame request;
static struct answer_frame answer;
static u8 *answer_blobs;

static bool registered;

static unsigned int floor_level;
module_param_named(privlevel_floor, floor_level, uint, 0444);
MODULE_PARM_DESC(privlevel_floor, "the lowest privilege level that a report may be asked for (0 to 3)");

/* Moves the answer's blobs to the report. Called with the lock held. */
static int take_answer(struct tsm_report *report)
{
    int r = -(int)answer.error;

    if (r == 0) {
        report->outblob = kvmemdup(answer_blobs, answer.outblob_size, GFP_KERNEL);
        report->outblob_len = answer.outblob_size;
        if (!report->outblob)
            r = -ENOMEM;
    }
    if (r == 0 && answer.auxblob_size) {
        report->auxblob = kvmemdup(answer_blobs + answer.outblob_size, answer.auxblob_size, GFP_KERNEL);
        report->auxblob_len = answer.auxblob_size;
    }
    kvfree(answer_blobs);
    answer_blobs = NULL;
    return r;
}

/* The core calls this with its own lock held, one report at a time. */
static int report_new(struct tsm_report *report, void *data)
{
    long left;
    int r;

    if (report->desc.inblob_len != TSM_INBLOB_MAX)
        return -EINVAL;
    mutex_lock(&lock);
    request.id++;
    request.level = report->desc.privlevel;
    memcpy(request.inblob, report->desc.inblob, TSM_INBLOB_MAX);
    state = ASKED;
    mutex_unlock(&lock);
    wake_up_all(&changed);
    left = wait_event_killable_timeout(changed, READ_ONCE(state) == ANSWERED, ANSWER_TIMEOUT);
    mutex_lock(&lock);
    if (state == ANSWERED)
        r = take_answer(report);
    else
        r = left < 0 ? left : -ETIMEDOUT;
    state = IDLE;
    mutex_unlock(&lock);
    return r;
}

static ssize_t device_read(struct file *file, char __user *to, size_t size, loff_t *position)
{
    int r;

    if (size != sizeof(request))
        return -EINVAL;
    r = wait_event_interruptible(changed, READ_ONCE(state) == ASKED);
    if (r)
        return r;
    mutex_lock(&lock);
    if (state != ASKED)
        r = -EAGAIN;
    else if (copy_to_user(to, &request, sizeof(request)))
        r = -EFAULT;
    else
        state = TAKEN;
    mutex_unlock(&lock);
    return r ? r : size;
}

static ssize_t device_write(struct file *file, const char __user *from, size_t size, loff_t *position)
{
    struct answer_frame frame;
    size_t blobs;
    u8 *copy;
    int r = 0;

    if (size < sizeof(frame))
        return -EINVAL;
    if (copy_from_user(&frame, from, sizeof(frame)))
        return -EFAULT;
    if (frame.error > MAX_ERRNO || frame.outblob_size > OUTBLOB_MAX_BYTES || frame.auxblob_size > AUXBLOB_MAX_BYTES)
        return -EINVAL;
    blobs = frame.outblob_size + frame.auxblob_size;
    if (size != sizeof(frame) + blobs)
        return -EINVAL;
    copy = kvmalloc(blobs + 1, GFP_KERNEL);
    if (!copy)
        return -ENOMEM;
    if (copy_from_user(copy, from + sizeof(frame), blobs))
        r = -EFAULT;
    mutex_lock(&lock);
    if (!r && (state != TAKEN || frame.id != request.id))
        r = -ESTALE;
    if (!r) {
        answer = frame;
        answer_blobs = copy;
        copy = NULL;
        WRITE_ONCE(state, ANSWERED);
    }
    mutex_unlock(&lock);
    kvfree(copy);
    if (r)
        return r;
    wake_up_all(&changed);
    return size;
}

static bool attribute_visible(int n)
{
    return n == TSM_REPORT_GENERATION || n == TSM_REPORT_PROVIDER || n == TSM_REPORT_PRIVLEVEL ||
           n == TSM_REPORT_PRIVLEVEL_FLOOR;
}

static bool blob_visible(int n)
{
    return n == TSM_REPORT_INBLOB || n == TSM_REPORT_OUTBLOB || n == TSM_REPORT_AUXBLOB;
}

static struct tsm_ops operations = {
    .name = "sev_guest",
    .report_new = report_new,
    .report_attr_visible = attribute_visible,
    .report_bin_attr_visible = blob_visible,
};

static int device_open(struct inode *inode, struct file *file)
{
    int r = 0;

    mutex_lock(&lock);
    if (!registered)
        r = tsm_register(&operations, NULL);
    registered = registered || !r;
    mutex_unlock(&lock);
    return r;
}

static const struct file_operations device_operations = {
    .owner = THIS_MODULE,
    .open = device_open,
    .read = device_read,
    .write = device_write,
};

static struct miscdevice device = {
    .minor = MISC_DYNAMIC_MINOR,
    .name = "postern-psp-tsm",
    .fops = &device_operations,
    .mode = 0600,
};

static int __init start(void)
{
    if (floor_level > TSM_PRIVLEVEL_MAX)
        return -EINVAL;
    operations.privlevel_floor = floor_level;
    return misc_register(&device);
}

static void __exit stop(void)
{
    if (registered)
        tsm_unregister(&operations);
    misc_deregister(&device);
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("configfs-tsm reports from Postern's software secure processor, for tests");
MODULE_LICENSE("GPL");
