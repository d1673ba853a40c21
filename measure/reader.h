/*
 * Reading the files of a launch: each once, from start to end, side by side on as many processors as there are. Memory
 * is bounded: a chunk for each thread, and for firmware what firmware-hasher.h keeps.
 */
#pragma once

#include "measure/firmware-file.h"

struct file_job {
    const char *path;
    bool firmware;            /* a firmware image: its pages are hashed, its tables parsed */
    bool streams;             /* firmware: also hash the whole image; other files always are */
    enum firmware_kind kind;  /* firmware */
    uint64_t end_gpa;         /* firmware; FIRMWARE_END_GPA but for an SVSM */
    struct firmware_file file;    /* result, for firmware; freed by the caller with firmware_file_free() */
    uint8_t sha256[SHA256_BYTES]; /* result, for other files and with `streams` */
};

#define FILE_JOBS_MAX 16

/*
 * Works off all jobs. A file has to be a regular one that keeps its size and time of change meanwhile. On failure no
 * job has a result, and `why` is about the first job that failed, file named.
 * Errors: -errno of open and read, -EINVAL for something else than a regular file, -EBUSY for a file that changed,
 * -EBADMSG from firmware_parse_tail(), -ENOMEM.
 */
int files_read(struct file_job *jobs, size_t count, struct reason *why) MUST_CHECK;
