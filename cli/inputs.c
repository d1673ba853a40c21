/* From options to a digest. Firmware files and their metadata are hostile until measure/ has accepted them. */
#include "cli/inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/command.h"
#include "base/encode.h"
#include "measure/cpu.h"
#include "measure/firmware-metadata.h"
#include "measure/reader.h"

/* --------------------------------------------------------------------------------------------------- words, numbers */

static const struct {
    const char *name;
    enum launch_mode mode;
    bool digest_alone;
} modes[] = {
    { "snp", LAUNCH_SNP, false },
    { "sev-snp", LAUNCH_SNP, false },
    { "snp:ovmf-hash", LAUNCH_SNP, true },
    { "sev-snp:ovmf-hash", LAUNCH_SNP, true },
    { "snp:svsm", LAUNCH_SNP_SVSM, false },
    { "sev-snp:svsm", LAUNCH_SNP_SVSM, false },
    { "seves", LAUNCH_SEV_ES, false },
    { "sev-es", LAUNCH_SEV_ES, false },
    { "sev", LAUNCH_SEV, false },
};

static int find_mode(const char *name, struct inputs_measured *measured, struct reason *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcasecmp(name, modes[i].name) == 0) {
            measured->launch.mode = modes[i].mode;
            measured->digest_alone = modes[i].digest_alone;
            return 0;
        }
    return reason_set(why, -EINVAL, "--mode: \"%s\", expected snp, snp:ovmf-hash, snp:svsm, seves or sev", name);
}

int inputs_signature_of_type(const char *name, uint32_t *ret_signature, struct reason *why)
{
    const struct cpu_type *type = cpu_type_find(name);

    if (type)
        *ret_signature = cpu_type_signature(type);
    else if (strcmp(name, "host") == 0)
        *ret_signature = cpu_host_signature();
    else
        return reason_set(why, -EINVAL,
                          "--vcpu-type: \"%s\" is no EPYC type that QEMU knows, see postern-measure(1); "
                          "--vcpu-sig takes any signature", name);
    return 0;
}

int inputs_signature_of_text(const char *text, uint32_t *ret_signature, struct reason *why)
{
    uint64_t value = 0;

    if (command_parse_u64(text, &value) < 0 || value > UINT32_MAX)
        return reason_set(why, -EINVAL, "--vcpu-sig: \"%s\" is not a 32-bit number", text);
    *ret_signature = (uint32_t)value;
    return 0;
}

/* Family before signature before type, as in sev-snp-measure; no two of them. */
static int find_signature(const struct inputs *inputs, struct inputs_measured *measured, struct reason *why)
{
    const struct launch_inputs *launch = &measured->launch;
    uint32_t *signature = &measured->cpu_signature;

    if (inputs->has_family + !!inputs->vcpu_signature + !!inputs->vcpu_type > 1)
        return reason_set(why, -EINVAL, "--vcpu-type, --vcpu-sig and --vcpu-family say the same: expected one of them");
    if (inputs->has_family)
        *signature = cpu_signature((uint16_t)inputs->vcpu_family, (uint8_t)inputs->vcpu_model,
                                   (uint8_t)inputs->vcpu_stepping);
    else if (inputs->vcpu_signature)
        return inputs_signature_of_text(inputs->vcpu_signature, signature, why);
    else if (inputs->vcpu_type)
        return inputs_signature_of_type(inputs->vcpu_type, signature, why);
    else if (launch->mode != LAUNCH_SEV && !measured->digest_alone && vmm_measures_signature(launch->vmm))
        return reason_set(why, -EINVAL, "--vcpu-type is missing: the CPU type is measured, EPYC-v4 for example");
    return 0;
}

/* -------------------------------------------------------------------------------------------------------- the files */

static const char *or_none(const char *path)
{
    return path && *path ? path : NULL;
}

static int check_combination(const struct inputs *inputs, const struct inputs_measured *measured, struct reason *why)
{
    enum launch_mode mode = measured->launch.mode;

    if (!or_none(inputs->kernel) && (or_none(inputs->initrd) || or_none(inputs->append)))
        return reason_set(why, -EINVAL, "%s without --kernel: there would be nothing to measure it with",
                          or_none(inputs->initrd) ? "--initrd" : "--append");
    if (mode == LAUNCH_SNP_SVSM ? !inputs->svsm : !!inputs->svsm)
        return reason_set(why, -EINVAL, "--svsm and --mode snp:svsm belong together");
    if (mode != LAUNCH_SNP_SVSM && (inputs->vars_file || inputs->vars_size))
        return reason_set(why, -EINVAL, "--vars-size and --vars-file are for --mode snp:svsm");
    if (inputs->firmware_digest && (mode != LAUNCH_SNP || measured->digest_alone))
        return reason_set(why, -EINVAL, "--snp-ovmf-hash is for --mode snp");
    if (!inputs->firmware && !inputs->firmware_metadata)
        return reason_set(why, -EINVAL, "--ovmf is missing: the firmware is measured");
    if (!inputs->firmware && !inputs->firmware_digest)
        return reason_set(why, -EINVAL,
                          "--firmware-metadata without --ovmf needs --snp-ovmf-hash, which stands for the pages");
    return 0;
}

static enum firmware_kind kind_for(enum launch_mode mode)
{
    switch (mode) {
    case LAUNCH_SEV:
    case LAUNCH_SNP_SVSM:
        return FIRMWARE_SEV;
    case LAUNCH_SEV_ES:
        return FIRMWARE_SEV_ES;
    case LAUNCH_SNP:
        break;
    }
    return FIRMWARE_SNP;
}

/* How much lies between the SVSM and the firmware. */
static int vars_size(const struct inputs *inputs, uint64_t *ret_size, struct reason *why)
{
    struct stat status;
    uint64_t size = inputs->vars_size;

    if (inputs->vars_file && inputs->vars_size)
        return reason_set(why, -EINVAL, "--vars-size and --vars-file say the same: expected one of them");
    if (inputs->vars_file) {
        if (stat(inputs->vars_file, &status) < 0)
            return reason_set(why, -errno, "%s: cannot be opened: %s", inputs->vars_file, strerror(errno));
        if (!S_ISREG(status.st_mode))
            return reason_set(why, -EINVAL, "%s: not a regular file", inputs->vars_file);
        size = (uint64_t)status.st_size;
    }
    if (size % PAGE_BYTES || size > FIRMWARE_MAX_BYTES)
        return reason_set(why, -EINVAL, "%s: %llu bytes, expected a multiple of 4096 up to %u",
                          inputs->vars_file ? inputs->vars_file : "--vars-size", (unsigned long long)size,
                          FIRMWARE_MAX_BYTES);
    *ret_size = size;
    return 0;
}

/* The SVSM ends where the firmware and its variables begin, so the firmware's size has to be known before. */
static int place_svsm(const struct inputs *inputs, uint64_t *ret_end_gpa, struct reason *why)
{
    struct stat status;
    uint64_t vars = 0;
    int r = vars_size(inputs, &vars, why);

    if (r < 0)
        return r;
    if (stat(inputs->firmware, &status) < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", inputs->firmware, strerror(errno));
    r = firmware_check_size((uint64_t)status.st_size, why);
    if (r < 0) {
        reason_prefix(why, inputs->firmware);
        return r;
    }
    *ret_end_gpa = FIRMWARE_END_GPA - (uint64_t)status.st_size - vars;
    return 0;
}

/* Which job is for what; 0: none. The firmware, when there is one, is the first. */
struct jobs {
    struct file_job list[4];
    size_t count;
    size_t svsm, kernel, initrd;
};

static size_t add_job(struct jobs *jobs, const char *path)
{
    jobs->list[jobs->count] = (struct file_job){ .path = path, .end_gpa = FIRMWARE_END_GPA };
    return jobs->count++;
}

static int plan_jobs(const struct inputs *inputs, const struct inputs_measured *measured, struct jobs *jobs,
                     struct reason *why)
{
    struct file_job *job = &jobs->list[add_job(jobs, inputs->firmware)];

    job->firmware = true;
    job->kind = kind_for(measured->launch.mode);
    job->streams = inputs->streams || measured->launch.mode == LAUNCH_SEV || measured->launch.mode == LAUNCH_SEV_ES;
    if (inputs->svsm) {
        jobs->svsm = add_job(jobs, inputs->svsm);
        job = &jobs->list[jobs->svsm];
        job->firmware = true;
        job->kind = FIRMWARE_SVSM;
        job->streams = inputs->streams;
        return place_svsm(inputs, &job->end_gpa, why);
    }
    return 0;
}

static int hash_boot(const struct inputs *inputs, const struct jobs *jobs, struct inputs_measured *measured)
{
    int r = 0;

    if (!jobs->kernel)
        return 0;
    memcpy(measured->hashes.kernel, jobs->list[jobs->kernel].sha256, SHA256_BYTES);
    if (jobs->initrd)
        memcpy(measured->hashes.initrd, jobs->list[jobs->initrd].sha256, SHA256_BYTES);
    else
        r = kernel_hashes_no_initrd(measured->hashes.initrd);
    if (r == 0)
        r = kernel_hashes_cmdline(inputs->append, measured->hashes.cmdline);
    measured->has_hashes = true;
    return r;
}

static int decode_digest(const char *text, uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    if (hex_decode(text, strlen(text), ret_digest, LAUNCH_DIGEST_BYTES) < 0)
        return reason_set(why, -EINVAL, "--snp-ovmf-hash: expected %u hexadecimal digits, found \"%s\"",
                          2 * LAUNCH_DIGEST_BYTES, text);
    return 0;
}

/* The tables from a firmware or its metadata, the digest as given. */
static int replace_firmware(const struct inputs *inputs, struct inputs_measured *measured, struct reason *why)
{
    struct firmware tables = measured->firmware.tables;
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    int r = decode_digest(inputs->firmware_digest, digest, why);

    if (r == 0 && !inputs->firmware)
        r = firmware_metadata_read(inputs->firmware_metadata, &tables, why);
    if (r < 0)
        return r;
    firmware_file_free(&measured->firmware);
    firmware_file_from_digest(&tables, digest, &measured->firmware);
    return 0;
}

static int read_files(const struct inputs *inputs, struct inputs_measured *measured, struct reason *why)
{
    struct jobs jobs = { .count = 0 };
    size_t first;
    int r = plan_jobs(inputs, measured, &jobs, why);

    if (r < 0)
        return r;
    if (or_none(inputs->kernel))
        jobs.kernel = add_job(&jobs, inputs->kernel);
    if (or_none(inputs->initrd))
        jobs.initrd = add_job(&jobs, inputs->initrd);
    first = inputs->firmware ? 0 : 1;
    r = files_read(jobs.list + first, jobs.count - first, why);
    if (r < 0)
        return r;
    measured->firmware = jobs.list[0].file;
    if (jobs.svsm)
        measured->svsm = jobs.list[jobs.svsm].file;
    r = hash_boot(inputs, &jobs, measured);
    return r == 0 && inputs->firmware_digest ? replace_firmware(inputs, measured, why) : r;
}

/* ------------------------------------------------------------------------------------------------------------ whole */

int inputs_digest(const struct inputs_measured *measured, uint32_t vcpus, uint32_t signature, uint64_t features,
                  uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    struct launch_inputs launch = measured->launch;

    launch.vcpus = vcpus;
    launch.cpu_signature = signature;
    launch.features = features;
    return launch_digest(&launch, ret_digest, why);
}

static int set_up(const struct inputs *inputs, struct inputs_measured *measured, struct reason *why)
{
    int r = find_mode(inputs->mode, measured, why);

    if (r < 0)
        return r;
    if (vmm_find(inputs->vmm, &measured->launch.vmm) < 0)
        return reason_set(why, -EINVAL, "--vmm-type: \"%s\", expected " VMM_NAMES, inputs->vmm);
    r = find_signature(inputs, measured, why);
    return r == 0 ? check_combination(inputs, measured, why) : r;
}

int inputs_measure(const struct inputs *inputs, struct inputs_measured *ret_measured, struct reason *why)
{
    struct inputs_measured *measured = ret_measured;
    int r;

    *measured = INPUTS_MEASURED_NONE;
    r = set_up(inputs, measured, why);
    if (r == 0)
        r = read_files(inputs, measured, why);
    if (r < 0)
        return r;
    if (measured->digest_alone) {
        memcpy(measured->digest, measured->firmware.digest, sizeof(measured->digest));
        return 0;
    }
    measured->launch.firmware = &measured->firmware;
    measured->launch.svsm = inputs->svsm ? &measured->svsm : NULL;
    measured->launch.hashes = measured->has_hashes ? &measured->hashes : NULL;
    measured->launch.vcpus = (uint32_t)inputs->vcpus;
    measured->launch.cpu_signature = measured->cpu_signature;
    measured->launch.features = inputs->features;
    return launch_digest(&measured->launch, measured->digest, why);
}

void inputs_free(struct inputs_measured *measured)
{
    firmware_file_free(&measured->firmware);
    firmware_file_free(&measured->svsm);
}
