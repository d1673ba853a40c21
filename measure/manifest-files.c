/* Published files and their manifest; both may come from anybody. Names have been checked: they lead to no path. */
#include "measure/manifest-files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "measure/reader.h"

#define PATH_BYTES 4096

/* What is at the path, before it is read: links are refused, and so is all that could block. */
static int look_at(const char *path, uint64_t *ret_size, struct reason *why)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return reason_set(why, -errno, errno == ENOENT ? "is missing" : "cannot be read: %s", strerror(errno));
    if (S_ISLNK(status.st_mode))
        return reason_set(why, -ELOOP, "is a symbolic link, expected the file itself");
    if (!S_ISREG(status.st_mode))
        return reason_set(why, -EINVAL, "is no regular file");
    *ret_size = (uint64_t)status.st_size;
    return 0;
}

static struct file_job make_job(const char *path, bool is_firmware)
{
    return (struct file_job){ .path = path,
                              .firmware = is_firmware,
                              .streams = true,
                              .kind = FIRMWARE_SNP,
                              .end_gpa = FIRMWARE_END_GPA };
}

static void keep(struct manifest_files *files, size_t index, struct file_job *job)
{
    memcpy(files->files[index].sha256, job->sha256, SHA256_BYTES);
    if (job->firmware) {
        files->firmware = job->file;
        files->has_firmware = true;
    }
}

/* One file, and a firmware that is not understood as any other file. */
static void read_one(const char *path, bool is_firmware, struct manifest_files *files, size_t index)
{
    struct manifest_file *file = &files->files[index];
    struct file_job job = make_job(path, is_firmware);
    int r = files_read(&job, 1, &file->why);

    if (r < 0 && is_firmware) {
        files->firmware_why = file->why;
        job = make_job(path, false);
        r = files_read(&job, 1, &file->why);
    }
    if (r < 0)
        file->error = r;
    else
        keep(files, index, &job);
}

struct batch {
    struct file_job jobs[FILE_JOBS_MAX];
    size_t places[FILE_JOBS_MAX]; /* among the artefacts */
    size_t count;
};

/* Side by side when nothing is wrong, else one by one: then each gets its own reason. */
static void read_batch(struct batch *batch, struct manifest_files *files)
{
    if (batch->count && files_read(batch->jobs, batch->count, NULL) == 0) {
        for (size_t i = 0; i < batch->count; i++)
            keep(files, batch->places[i], &batch->jobs[i]);
    } else {
        for (size_t i = 0; i < batch->count; i++)
            read_one(batch->jobs[i].path, batch->jobs[i].firmware, files, batch->places[i]);
    }
    batch->count = 0;
}

int manifest_files_read(const char *directory, const struct manifest *manifest, struct manifest_files *ret_files,
                        struct reason *why)
{
    CLEANUP_FREE char (*paths)[PATH_BYTES] = calloc(MANIFEST_MAX_ARTEFACTS, PATH_BYTES);
    CLEANUP_FREE struct manifest_files *files = calloc(1, sizeof(*files));
    struct batch batch = { .count = 0 };
    struct stat status;

    if (!paths || !files)
        return -ENOMEM;
    if (stat(directory, &status) < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", directory, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return reason_set(why, -ENOTDIR, "%s: not a directory", directory);
    for (size_t i = 0; i < manifest->artefact_count; i++) {
        struct manifest_file *file = &files->files[i];
        int size = snprintf(paths[i], PATH_BYTES, "%s/%s", directory, manifest->artefacts[i].name);

        if (size < 0 || size >= PATH_BYTES)
            return reason_set(why, -ENAMETOOLONG, "%s: the name is too long", directory);
        file->error = look_at(paths[i], &file->size, &file->why);
        if (file->error)
            continue;
        if (batch.count == FILE_JOBS_MAX)
            read_batch(&batch, files);
        batch.places[batch.count] = i;
        batch.jobs[batch.count++] = make_job(paths[i], i == manifest->roles[MANIFEST_FIRMWARE]);
    }
    read_batch(&batch, files);
    *ret_files = *files;
    return 0;
}

void manifest_files_free(struct manifest_files *files)
{
    if (files->has_firmware)
        firmware_file_free(&files->firmware);
    files->has_firmware = false;
}

bool manifest_file_agrees(const struct manifest *manifest, const struct manifest_files *files, size_t index)
{
    return !files->files[index].error && files->files[index].size == manifest->artefacts[index].size &&
           memcmp(files->files[index].sha256, manifest->artefacts[index].sha256, SHA256_BYTES) == 0;
}

static int take_hash(const struct manifest *m, const struct manifest_files *found, enum manifest_role role,
                     uint8_t to[SHA256_BYTES])
{
    size_t index = m->roles[role];

    if (index == MANIFEST_NO_ARTEFACT)
        return -ENODATA;
    if (found && found->files[index].error)
        return -ENOENT;
    memcpy(to, found ? found->files[index].sha256 : m->artefacts[index].sha256, SHA256_BYTES);
    return 0;
}

int manifest_kernel_hashes(const struct manifest *manifest, const struct manifest_files *found,
                           struct kernel_hashes *ret_hashes)
{
    struct kernel_hashes hashes;
    int r = take_hash(manifest, found, MANIFEST_KERNEL, hashes.kernel);

    if (r < 0)
        return r;
    r = take_hash(manifest, found, MANIFEST_INITRD, hashes.initrd);
    if (r == -ENODATA)
        r = kernel_hashes_no_initrd(hashes.initrd);
    if (r == 0)
        r = kernel_hashes_cmdline(manifest->has_cmdline ? manifest->cmdline : NULL, hashes.cmdline);
    if (r < 0)
        return r;
    *ret_hashes = hashes;
    return 0;
}

struct launch_inputs manifest_launch(const struct manifest *manifest, const struct firmware_file *firmware,
                                     const struct kernel_hashes *hashes)
{
    struct manifest_row row = manifest_plan_row(&manifest->plan, 0);

    return (struct launch_inputs){ .firmware = firmware,
                                   .hashes = hashes,
                                   .vcpus = row.vcpus,
                                   .cpu_signature = row.cpu ? row.cpu->signature : 0,
                                   .features = row.features,
                                   .mode = LAUNCH_SNP,
                                   .vmm = row.vmm };
}

struct taking {
    uint8_t (*digests)[LAUNCH_DIGEST_BYTES];
    size_t count, room;
};

static int take_row(void *context, const struct matrix_row *row)
{
    struct taking *taking = context;

    if (taking->count == taking->room)
        return -ERANGE;
    memcpy(taking->digests[taking->count++], row->digest, LAUNCH_DIGEST_BYTES);
    return 0;
}

int manifest_compute_rows(const struct manifest *manifest, const struct firmware_file *firmware,
                          const struct kernel_hashes *hashes, uint8_t (**ret_digests)[LAUNCH_DIGEST_BYTES],
                          struct reason *why)
{
    struct launch_inputs launch = manifest_launch(manifest, firmware, hashes);
    struct taking taking = { .room = manifest_plan_rows(&manifest->plan) };
    int r;

    taking.digests = calloc(taking.room, sizeof(*taking.digests));
    if (!taking.digests)
        return -ENOMEM;
    r = matrix_compute(&launch, &manifest->plan, take_row, &taking, why);
    /* The plan's own count, by another way. */
    if (r == 0 && taking.count != taking.room)
        r = -ERANGE;
    if (r < 0) {
        free(taking.digests);
        return r;
    }
    *ret_digests = taking.digests;
    return 0;
}
