/*
 * Launch digests for differential.py: one request for each line of standard input, fields separated by tabs:
 * firmware, SVSM ("-": none), kernel ("-": no direct boot), initrd ("-": none), command line, vCPUs, CPU signature, SEV
 * features, mode (a number), VMM (its name). One line each on standard output: the digest, or "refused: " and why.
 * The table and the explanation have to agree with it; where they do not, the line says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "measure/explain.h"
#include "measure/matrix.h"
#include "measure/reader.h"

#define FIELDS 10

struct request {
    struct file_job jobs[2];
    size_t count;
    struct kernel_hashes hashes;
    struct launch_inputs inputs;
};

static bool absent(const char *field)
{
    return strcmp(field, "-") == 0;
}

static int read_request(char **fields, struct request *request, struct reason *why)
{
    struct launch_inputs *inputs = &request->inputs;
    int r;

    inputs->mode = (enum launch_mode)strtoul(fields[8], NULL, 0);
    inputs->vcpus = (uint32_t)strtoul(fields[5], NULL, 0);
    inputs->cpu_signature = (uint32_t)strtoul(fields[6], NULL, 0);
    inputs->features = strtoull(fields[7], NULL, 0);
    request->jobs[0] = (struct file_job){ .path = fields[0], .firmware = true, .streams = true,
                                          .end_gpa = FIRMWARE_END_GPA };
    request->jobs[1] = (struct file_job){ .path = fields[1], .firmware = true, .kind = FIRMWARE_SVSM };
    request->jobs[0].kind = inputs->mode == LAUNCH_SNP      ? FIRMWARE_SNP
                            : inputs->mode == LAUNCH_SEV_ES ? FIRMWARE_SEV_ES
                                                            : FIRMWARE_SEV;
    r = vmm_find(fields[9], &inputs->vmm);
    if (r == 0)
        r = files_read(request->jobs, 1, why);
    inputs->firmware = &request->jobs[0].file;
    request->jobs[1].end_gpa = request->jobs[0].file.tables.gpa;
    if (r == 0 && !absent(fields[1]))
        r = files_read(request->jobs + 1, 1, why);
    inputs->svsm = absent(fields[1]) ? NULL : &request->jobs[1].file;
    if (r == 0 && !absent(fields[2])) {
        r = kernel_hashes_compute(fields[2], absent(fields[3]) ? NULL : fields[3], fields[4], &request->hashes, why);
        inputs->hashes = &request->hashes;
    }
    return r;
}

static int keep_digest(void *context, const struct contribution *contribution)
{
    memcpy(context, contribution->digest, LAUNCH_DIGEST_BYTES);
    return 0;
}

static int keep_row(void *context, const struct matrix_row *row)
{
    memcpy(context, row->digest, LAUNCH_DIGEST_BYTES);
    return 0;
}

/* The last contribution's digest and the table's only row are the digest, too. */
static bool agree(const struct request *request, const uint8_t digest[LAUNCH_DIGEST_BYTES])
{
    const struct launch_inputs *inputs = &request->inputs;
    struct matrix_plan plan = { .cpu_count = 1, .vmm_count = 1, .feature_count = 1 };
    uint8_t told[LAUNCH_DIGEST_BYTES], again[LAUNCH_DIGEST_BYTES], row[LAUNCH_DIGEST_BYTES];
    size_t size = launch_digest_size(inputs->mode);

    if (launch_explain(inputs, keep_digest, told, again, NULL) < 0 || memcmp(told, digest, size) ||
        memcmp(again, digest, size))
        return false;
    if (inputs->mode == LAUNCH_SEV)
        return true;
    plan.vcpus[inputs->vcpus] = true;
    plan.cpus[0].signature = inputs->cpu_signature;
    plan.vmms[0] = inputs->vmm;
    plan.features[0] = inputs->features;
    return matrix_compute(inputs, &plan, keep_row, row, NULL) == 0 && memcmp(row, digest, size) == 0;
}

static void answer(char **fields)
{
    char text[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    struct request request = { .count = 0 };
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    struct reason why = { "" };
    int r = read_request(fields, &request, &why);

    if (r == 0)
        r = launch_digest(&request.inputs, digest, &why);
    if (r < 0) {
        printf("refused: %s\n", why.text);
    } else {
        hex_encode(digest, launch_digest_size(request.inputs.mode), text);
        puts(agree(&request, digest) ? text : "table or explanation differ");
    }
    firmware_file_free(&request.jobs[0].file);
    firmware_file_free(&request.jobs[1].file);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;

    while (getline(&line, &room, stdin) > 0) {
        char *fields[FIELDS], *rest = line;

        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < FIELDS; i++)
            if (!(fields[i] = strsep(&rest, "\t")))
                return 1;
        answer(fields);
    }
    free(line);
    return 0;
}
